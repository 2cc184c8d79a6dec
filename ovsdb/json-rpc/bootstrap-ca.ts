/** The certificate of the other side's authority, taken from the other side itself at the first contact, as OVS's --bootstrap-ca-cert. */
import { writeFileSync } from "node:fs";
import tls from "node:tls";
import { OvsdbError } from "../errors.js";

/** The self-signed end of the chain that was shown; undefined when the peer does not show it (ovsdb-server: --peer-ca-cert). */
function authorityOf(socket: tls.TLSSocket): Buffer | undefined {
  const seen = new Set<string>();
  for (let one: tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true); one?.raw !== undefined; one = one.issuerCertificate) {
    if (one.issuerCertificate?.fingerprint256 === one.fingerprint256) return one.raw;
    if (seen.has(one.fingerprint256)) return undefined;
    seen.add(one.fingerprint256);
  }
  return undefined;
}

const pem = (der: Buffer): string => `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;

/**
 * Connects without checking whom it meets, writes the authority's certificate to `file`, and hangs up. Whoever answers this first time is
 * trusted from then on. A file that is there meanwhile is left as it is. Rejects with OvsdbError "tls" when no authority is shown, and
 * with "transport" or "tls" as any connection.
 */
export function fetchAuthority(what: string, options: tls.ConnectionOptions, file: string, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ ...options, rejectUnauthorized: false, checkServerIdentity: () => undefined });
    const end = (error?: OvsdbError): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const aborted = (): void => end(new OvsdbError("transport", `cannot connect to ${what}: aborted`));
    const timer = setTimeout(() => end(new OvsdbError("transport", `cannot connect to ${what}: no answer within ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener("abort", aborted, { once: true });
    socket.on("error", (error: Error) => end(new OvsdbError("transport", `cannot connect to ${what}: ${error.message}`, {}, error)));
    socket.once("secureConnect", () => {
      const authority = authorityOf(socket);
      if (authority === undefined) return end(new OvsdbError("tls", `${what} does not show its authority's certificate, which is to be taken over from it`));
      try {
        writeFileSync(file, pem(authority), { flag: "wx", mode: 0o644 });
        end();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") end();
        else end(new OvsdbError("tls", `cannot write ${file}: ${(error as Error).message}`, {}, error));
      }
    });
  });
}
