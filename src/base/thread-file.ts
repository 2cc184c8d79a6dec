/** The file of a worker thread beside `module` (its `import.meta.url`). Threads run what was built, also when `module` runs as source, in tests. */
export const threadFile = (module: string, file = "./worker.js"): URL => new URL(file, module.endsWith(".ts") ? module.replace(/^(.*)\/src\//, "$1/dist/src/") : module);
