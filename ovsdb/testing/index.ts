/** ovsdb-client/testing: an OVSDB server in memory, for unit tests of what uses the client. */
export { MemoryServer, type MemoryServerOptions } from "./server.js";
