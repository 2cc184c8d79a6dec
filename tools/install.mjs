// Prepares a Debian machine and then runs a command: `node tools/install.mjs PURPOSE -- COMMAND…`, PURPOSE is demo, test or bench.
// Needs nothing but Node. Says what it installs and why before it does, and installs nothing that is there.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";

const [purpose, , ...command] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);
const stop = (line) => {
  process.stderr.write(`${line}\n`);
  process.exit(2);
};

const major = Number(process.versions.node.split(".")[0]);
if (major < 20) stop(`Node 20 or later is needed, this is ${process.version}. Debian 12's own is 18; see https://nodejs.org.`);
if (process.getuid?.() !== 0) stop("Root is needed: Open vSwitch and network namespaces are run for real, in namespaces of their own.");

/** What is used of each Debian package, by a program it has. */
const packages = [
  { name: "openvswitch-switch", program: "/usr/sbin/ovs-vswitchd", why: "the switches" },
  { name: "mininet", program: "/usr/bin/mn", why: "the lab's hosts and links" },
  { name: "iproute2", program: "/usr/sbin/ip", alternative: "/sbin/ip", why: "namespaces and links" },
  { name: "iputils-ping", program: "/usr/bin/ping", alternative: "/bin/ping", why: "checks that hosts reach each other" },
  { name: "ethtool", program: "/usr/sbin/ethtool", alternative: "/sbin/ethtool", why: "checksum offload off on the lab's hosts" },
  { name: "hping3", program: "/usr/sbin/hping3", why: "the flood" },
  { name: "iperf", program: "/usr/bin/iperf", why: "Mininet's own measurement" },
  { name: "iperf3", program: "/usr/bin/iperf3", why: "bulk traffic" },
  { name: "tcpdump", program: "/usr/bin/tcpdump", alternative: "/usr/sbin/tcpdump", why: "headers of the shadow's copies, for trials" },
  { name: "util-linux", program: "/usr/bin/setpriv", why: "namespaces that end with the program" },
  { name: "procps", program: "/usr/bin/ps", alternative: "/bin/ps", why: "Mininet" },
  { name: "nftables", program: "/usr/sbin/nft", why: "random loss at a host", only: "test" },
  { name: "tshark", program: "/usr/bin/tshark", why: "a second opinion on our frames", only: "test" },
  { name: "frr", unit: "frr", program: "/usr/lib/frr/bgpd", why: "a router whose routes we listen to", only: "test" },
  { name: "bird2", unit: "bird", program: "/usr/sbin/bird", why: "its neighbour, by another hand", only: "test" },
  { name: "influxdb", unit: "influxdb", program: "/usr/bin/influxd", why: "one of the stores", only: "test" },
  { name: "victoria-metrics", unit: "victoria-metrics", program: "/usr/bin/victoria-metrics", why: "a store that speaks the same protocol", only: "test" },
  { name: "openvswitch-testcontroller", program: "/usr/bin/ovs-testcontroller", why: "a peer of the OpenFlow benchmark", only: "bench" },
  { name: "python3-os-ken", program: "/usr/bin/osken-manager", why: "a peer of the OpenFlow benchmark", only: "bench" },
  { name: "python3-openvswitch", program: "/usr/lib/python3/dist-packages/ovs/version.py", why: "a peer of the OVSDB benchmark", only: "bench" },
  { name: "nfdump-sflow", program: "/usr/bin/sfcapd", why: "a peer of the sFlow benchmark", only: "bench" },
  { name: "pmacct", program: "/usr/sbin/sfacctd", why: "a peer of the sFlow benchmark", only: "bench" },
];
const missing = packages.filter((one) => (one.only ?? purpose) === purpose && !existsSync(one.program) && !(one.alternative && existsSync(one.alternative)));
if (missing.length > 0) {
  say("These Debian packages are missing and will be installed with apt:");
  for (const { name, why } of missing) say(`  ${name}: ${why}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args) => spawnSync("apt-get", args, { stdio: "inherit", env }).status === 0;
  // Nothing of this shall start on the machine by itself, now or at its next start; a policy that is there already is left as it is.
  const policy = "/usr/sbin/policy-rc.d";
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const done = apt("update", "-qq") && apt("install", "-y", "-qq", "--no-install-recommends", ...missing.map(({ name }) => name));
  if (isOurs) rmSync(policy);
  const units = missing.flatMap(({ unit }) => unit ?? []);
  if (units.length > 0) spawnSync("systemctl", ["disable", "--quiet", ...units], { stdio: "ignore" });
  if (!done) stop("apt could not install them.");
}

const isStale = !existsSync("node_modules/.package-lock.json") || statSync("package-lock.json").mtimeMs > statSync("node_modules/.package-lock.json").mtimeMs + 1_000;
if (isStale) {
  say("Installing the npm packages of package-lock.json.");
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
  // Not `npm ci`: the lock file holds this platform's optional packages only, which `ci` takes for a mistake. Versions are the lock's.
  if (spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], { stdio: "inherit", env }).status !== 0) stop("npm could not install them.");
}
say("Building.");
try {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b"], { stdio: "inherit" });
} catch {
  stop("The build failed.");
}
const [program, ...args] = command;
if (program === undefined) process.exit(0);
const { status, signal } = spawnSync(program === "node" ? process.execPath : program, args, { stdio: "inherit" });
process.exit(status ?? (signal ? 130 : 1));
