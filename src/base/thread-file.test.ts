import { threadFile } from "./thread-file.js";

test("a thread's file lies beside what was built", () => {
  expect(threadFile("file:///a/src/ovs/dist/src/store/duckdb/store.js").href).toBe("file:///a/src/ovs/dist/src/store/duckdb/worker.js");
  expect(threadFile("file:///a/src/ovs/src/store/duckdb/store.ts", "./other.js").href).toBe("file:///a/src/ovs/dist/src/store/duckdb/other.js");
});
