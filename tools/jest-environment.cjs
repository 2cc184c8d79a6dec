// jest runs each file in a context with typed arrays of its own; native addons (ONNX Runtime) check for those of the host.
const { TestEnvironment } = require("jest-environment-node");

module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const name of ["Float32Array", "Float64Array", "Int32Array", "Uint8Array", "BigInt64Array", "ArrayBuffer"]) {
      this.global[name] = globalThis[name];
    }
  }
};
