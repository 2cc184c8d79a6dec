// Writes openflow/vectors/openflowj-3.6.hex: what Floodlight's openflowj says of OpenFlow 1.5 that Open vSwitch does not have, above
// all the message CONTROLLER_STATUS. `node tools/record-openflowj.mjs` with Java 17 and Maven, which brings openflowj 3.6.605.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const directory = mkdtempSync(path.join(tmpdir(), "openflowj-"));
const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>record</groupId>
  <artifactId>record</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.projectfloodlight</groupId>
      <artifactId>openflowj</artifactId>
      <version>3.6.605</version>
    </dependency>
  </dependencies>
</project>
`;
writeFileSync(path.join(directory, "pom.xml"), project);
execFileSync("mvn", ["-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath"], { cwd: directory, stdio: "inherit" });
const classpath = readFileSync(path.join(directory, "classpath"), "utf8").trim();
const text = execFileSync("java", ["-cp", classpath, path.join(here, "RecordOpenflowj.java")], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const lines = text.split("\n").filter((line) => line.startsWith("< "));
writeFileSync(path.join(here, "../openflow/vectors/openflowj-3.6.hex"), `# Messages written by openflowj 3.6.605, by tools/record-openflowj.mjs.\n${lines.join("\n")}\n`);
rmSync(directory, { recursive: true });
process.stdout.write(`${lines.length} messages\n`);
