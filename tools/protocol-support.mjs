// Writes docs/protocol-support.md from node-openflow's tables and from the recorded bytes: `npm run build && node tools/protocol-support.mjs`.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { decodeMessage, fieldRows, messageTypes, multipartTypes } from "../openflow/dist/index.js";

const dir = new URL("../openflow/vectors/", import.meta.url);
/** What was seen: "message hello 4" and the like, by the program that wrote it. */
const seen = new Map();
const note = (key, who) => seen.set(key, (seen.get(key) ?? new Set()).add(who));
const asArray = (value) => (Array.isArray(value) ? value : []);

function walk(value, version, who) {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const item of asArray(value.match)) note(`field ${item.name} ${version}`, who);
  for (const list of [value.actions, value.instructions]) for (const item of asArray(list)) note(`action ${item.type} ${version}`, who);
  if (value.type === "setField" || value.type === "regLoad2") note(`field ${value.field?.name} ${version}`, who);
  for (const item of Object.values(value)) walk(item, version, who);
}
for (const name of readdirSync(dir).filter((file) => file.endsWith(".hex"))) {
  for (const line of readFileSync(new URL(name, dir), "utf8").split("\n").filter((one) => /^[<>] /.test(one))) {
    const who = { "os-ken-2.5.hex": "k", "libopenvswitch-3.1.hex": "l", "openflowj-3.6.hex": "j" }[name] ?? (line[0] === ">" ? "c" : "s");
    const message = decodeMessage(Buffer.from(line.slice(2), "hex"));
    note(`message ${message.type} ${message.version}`, who);
    if (message.multipartType !== undefined) note(`multipart ${message.multipartType} ${message.version}`, who);
    walk(message, message.version, who);
  }
}

const versions = [1, 2, 3, 4, 5, 6];
const titles = versions.map((version) => `1.${version - 1}`);
const cell = (kind, name, has) => (version) => {
  const who = [...(seen.get(`${kind} ${name} ${version}`) ?? [])].sort().join("");
  return who !== "" ? who : has(version) ? "·" : "";
};
const table = (heads, rows) => [`| ${heads.join(" | ")} |`, `|${heads.map(() => "---").join("|")}|`, ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n");

const messages = messageTypes.map(({ type, numbers, experimenter, expType }) => {
  const has = (version) => numbers.some(([first, last]) => version >= first && version <= last);
  const number = experimenter === undefined ? [...new Set(numbers.map(([, , n]) => n))].join(", ") : `${experimenter === 0x2320 ? "Nicira" : "ONF"} ${expType}`;
  return [type, number, ...versions.map(cell("message", type, has))];
});
const multiparts = multipartTypes.map(({ name, number, vendor, since, until }) => [name, vendor === 0 ? number : `${vendor === 0x2320 ? "Nicira" : "ONF"} ${number}`, ...versions.map(cell("multipart", name, (version) => version >= since && version <= until))]);
const actionNames = [...new Set([...seen.keys()].filter((key) => key.startsWith("action ")).map((key) => key.split(" ")[1]))].sort();
const actions = actionNames.map((name) => [name, ...versions.map(cell("action", name, () => false))]);
const fields = [...fieldRows.values()].filter(({ name }) => !/^(reg|xreg|xxreg|tunMetadata)[2-9]\d*$|^(reg|tunMetadata)1\d$/.test(name)).map(({ name, bytes, bits, maskable, prerequisite }) => [
  name, bits === bytes * 8 ? `${bytes}` : `${bytes} (${bits} bits)`, maskable ? "yes" : "no", prerequisite === "none" ? "" : prerequisite, ...versions.map(cell("field", name, () => false)),
]);

writeFileSync(
  new URL("../docs/protocol-support.md", import.meta.url),
  `# What node-openflow speaks

Made by \`tools/protocol-support.mjs\` from the library's tables and the recorded bytes in \`openflow/vectors/\`. In a version's column
stands who wrote the bytes that are behind it: **c** ovs-ofctl 3.1, **s** ovs-vswitchd 3.1, **l** libopenvswitch 3.1, the library under
both, asked for what neither says by itself (\`tools/record-libopenvswitch.c\`), **k** os-ken 2.5, **j** openflowj 3.6; **·** means that
node-openflow has it and no other program's bytes were found. Each of these messages decodes without anything unknown in it and is
written back byte for byte (\`openflow/messages/vectors.test.ts\`, which also wants bytes for every message in every version, and for
every multipart type both asked and answered); what is in no table comes out as \`unknown\` with its bytes. A column is empty where the
version does not have the message, or Open vSwitch does not know Nicira's or ONF's in it: there it is an \`experimenter\` message with
its bytes.

## Messages

${table(["message", "number", ...titles], messages)}

## Multipart (statistics) types

${table(["type", "number", ...titles], multiparts)}

Of \`bundleFeatures\` only the request: Open vSwitch does not have the type, os-ken reads the reply and cannot write it (it reads ours,
\`openflow/messages/message.test.ts\`), and openflowj gives the capabilities four bytes where OpenFlow 1.5.1 has two.

## Actions and instructions seen

${table(["action", ...titles], actions)}

## Match fields

Of register and tunnel metadata families the first two stand for all. A field is in a column when a match or a set-field with it was
recorded in that version; 1.0 and 1.1 have those of NXM in Nicira's messages.

${table(["field", "bytes", "mask", "needs", ...titles], fields)}

## What Open vSwitch 3.1 does differently from the specifications

- 1.0 has port descriptions as multipart type 13, groups, roles and more through Nicira's messages.
- 1.1: flow statistics carry OXM matches (type 1), which 1.1 does not have; flow-removed tells the hard time-out in what is padding.
- 1.3: ONF extension 187 wants the match of a flow monitor with its type and length; os-ken leaves those out.
- 1.4: a flow monitor without abbreviations (NO_ABBREV) is refused. Meters are refused in bundles, and a port-mod in an atomic one.
- 1.5: register loads and moves of Nicira are refused with OFPBAC_BAD_EXP_TYPE: set-field with a mask and copy-field take their place.
  Meter features come without the words 1.5 added. Flow statistics (type 17), controller status and bundle features are not there.
- Nicira's flow-mod, flow-removed, role and older asynchronous configuration are known in every version, though its programs write them
  in 1.0 and 1.1 only; from 1.1 on the flow-mod has instructions where 1.0 has actions. Its second asynchronous
  configuration (up to 1.3) is read by the switch and written by none of its programs.
- 1.4 and 1.5: the request to cancel a flow monitor that its library writes has no match, and the library's own decoder refuses it.
- An error at the time of a bundle-add leaves the bundle committable: \`bundle()\` discards it.
- Set-field with a mask is taken from 1.5 on; before, NXAST_REG_LOAD2 does it, and that is what a masked set-field is written as.
- Copy-TTL, PBB and IPv6 extension headers are refused in every version.
`,
);
