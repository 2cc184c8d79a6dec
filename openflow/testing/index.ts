/** node-openflow/testing: a switch and a controller for unit tests. */
export { MockController } from "./mock-controller.js";
export { MockSwitch, type MockSwitchOptions } from "./mock-switch.js";
