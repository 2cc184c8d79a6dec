/** TLS as OpenFlow uses it: both sides show a certificate of one CA; names in them are not hosts', so they are not checked. */
import { readFileSync, statSync } from "node:fs";
import tls from "node:tls";

/** Paths of PEM files. They are read again when they have changed, so renewed certificates need no restart. */
export interface TlsFiles {
  readonly certificate: string;
  readonly privateKey: string;
  /** Of the CA that signed the peers' certificates. */
  readonly caCertificate: string;
}

export function secureContext({ certificate, privateKey, caCertificate }: TlsFiles): tls.SecureContext {
  return tls.createSecureContext({ cert: readFileSync(certificate), key: readFileSync(privateKey), ca: readFileSync(caCertificate), minVersion: "TLSv1.2" });
}

/** Dials; the certificate is checked against the CA, its name against nothing (ovs-vswitchd does the same). */
export function dialTls(options: { readonly host: string; readonly port: number }, files: TlsFiles): tls.TLSSocket {
  return tls.connect({ ...options, secureContext: secureContext(files), rejectUnauthorized: true, checkServerIdentity: () => undefined });
}

/** A server that asks for certificates, and looks at each connection whether its files are still the same. */
export function createTlsServer(files: TlsFiles, failed: (error: Error) => void): tls.Server {
  const stamp = (): string => Object.values(files).map((path: string) => statSync(path).mtimeMs).join();
  const parts = (): tls.SecureContextOptions => ({ cert: readFileSync(files.certificate), key: readFileSync(files.privateKey), ca: readFileSync(files.caCertificate), minVersion: "TLSv1.2" });
  let seen = stamp();
  const server = tls.createServer({ ...parts(), requestCert: true, rejectUnauthorized: true });
  server.prependListener("connection", () => {
    try {
      const now = stamp();
      if (now === seen) return;
      server.setSecureContext(parts());
      seen = now;
    } catch (error) {
      failed(error as Error); // half-written files: the old ones still serve
    }
  });
  return server;
}
