/** Unit tests lie beside the source as *.test.ts; test/ holds what crosses parts and runs on real Open vSwitch. */
const base = {
  testEnvironment: "<rootDir>/tools/jest-environment.cjs",
  moduleNameMapper: {
    "^node-openflow$": "<rootDir>/openflow/index.ts",
    "^node-openflow/testing$": "<rootDir>/openflow/testing/index.ts",
    "^ovsdb-client$": "<rootDir>/ovsdb/index.ts",
    "^ovsdb-client/testing$": "<rootDir>/ovsdb/testing/index.ts",
    "^sflow-collector$": "<rootDir>/sflow/index.ts",
    "^(\\.{1,2}/.*)\\.js$": "$1",
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/", "<rootDir>/openflow/dist/", "<rootDir>/ovsdb/dist/", "<rootDir>/sflow/dist/"],
  transform: {
    "^.+\\.[mc]?[tj]s$": [
      "@swc/jest",
      {
        swcrc: false,
        jsc: { parser: { syntax: "typescript" }, target: "es2023" },
        module: { type: "commonjs" },
        sourceMaps: "inline",
      },
    ],
  },
};

export default {
  projects: [
    {
      ...base,
      displayName: "unit",
      testMatch: ["<rootDir>/{openflow,ovsdb,sflow,src,lab}/**/*.test.ts", "<rootDir>/test/property/**/*.test.ts"],
    },
    { ...base, displayName: "integration", testMatch: ["<rootDir>/test/{ovs,e2e}/**/*.test.ts"] },
  ],
  testTimeout: 60_000,
};
