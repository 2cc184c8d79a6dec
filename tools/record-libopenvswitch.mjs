// Writes openflow/vectors/libopenvswitch-3.1.hex: what the library of Open vSwitch 3.1 encodes and its programs never say by
// themselves. `node tools/record-libopenvswitch.mjs [DIRECTORY]` on Debian 12 with gcc, make and python3; some two minutes on one
// core. The sources are those of Debian's openvswitch-source; they are fetched, unpacked and built in DIRECTORY, which is kept for the
// next time, or else in a temporary one. Nothing is installed, and nothing of the sources comes here but the bytes they make.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const given = process.argv[2];
const directory = given === undefined ? mkdtempSync(path.join(tmpdir(), "libopenvswitch-")) : path.resolve(given);
const source = path.join(directory, "source");
const build = path.join(directory, "build");
const library = path.join(build, "lib/libopenvswitch.la");
const run = (cwd, program, ...args) => execFileSync(program, args, { cwd, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", maxBuffer: 1 << 26 });

function fetch() {
  mkdirSync(source, { recursive: true });
  run(directory, "apt-get", "download", "-qq", "openvswitch-source");
  const [archive] = readdirSync(directory).filter((name) => name.startsWith("openvswitch-source_3.1."));
  if (archive === undefined) throw new Error("Debian's openvswitch-source is not of 3.1 here; the vectors are named after that version");
  run(directory, "dpkg-deb", "-x", archive, "package");
  run(directory, "tar", "xzf", "package/usr/src/openvswitch/openvswitch.tar.gz", "-C", source, "--strip-components=1");
}

function make() {
  mkdirSync(build, { recursive: true });
  run(build, path.join(source, "configure"), "--quiet", "--disable-ssl", "--disable-libcapng", "--disable-shared", "--enable-static", "CFLAGS=-O0");
  // Generated files come first: a single target of the Makefile does not wait for the headers among them.
  const generated = ["include/odp-netlink.h", "include/odp-netlink-macros.h", "lib/vswitch-idl.h", "lib/ovsdb-server-idl.h"];
  for (const target of [...generated, "lib/libopenvswitch.la"]) run(build, "make", "-s", target);
}

if (!existsSync(source)) fetch();
if (!existsSync(library)) make();
const program = path.join(build, "record-libopenvswitch");
const includes = [build, path.join(build, "include"), path.join(build, "lib"), path.join(source, "include"), path.join(source, "lib")].map((one) => `-I${one}`);
run(build, "gcc", "-std=gnu11", "-Wall", "-Werror", ...includes, "-c", path.join(here, "record-libopenvswitch.c"), "-o", `${program}.o`);
run(build, "./libtool", "--quiet", "--tag=CC", "--mode=link", "gcc", "-o", program, `${program}.o`, "lib/libopenvswitch.la");
const lines = [...new Set(run(build, program).trim().split("\n"))];
writeFileSync(path.join(here, "../openflow/vectors/libopenvswitch-3.1.hex"), `# Whole messages written by the library of Open vSwitch 3.1.0, by tools/record-libopenvswitch.mjs; > to the switch, < from it.\n${lines.join("\n")}\n`);
process.stdout.write(`${lines.length} messages\n`);
if (given === undefined) rmSync(directory, { recursive: true });
