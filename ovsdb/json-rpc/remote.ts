/** Connection methods as ovsdb(7) writes them, and the sockets they stand for. */
import { existsSync, readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { OvsdbError } from "../errors.js";
import { fetchAuthority } from "./bootstrap-ca.js";

/** Files in PEM form. They are read anew for every connection, so renewed ones are used from the next one on. */
export interface TlsFiles {
  readonly privateKey: string;
  readonly certificate: string;
  /** Who may have signed the other side's certificate. */
  readonly ca: string;
}

export interface TlsOptions extends TlsFiles {
  /**
   * Checks the host name too. Default false, as Open vSwitch: its certificates name a machine, not an address, and whom the
   * authority has signed is trusted.
   */
  readonly checkHost?: boolean;
  /**
   * Without a file at `ca`, take it over from the server at the first contact, and trust it from then on (OVS: --bootstrap-ca-cert). Default
   * false. For dialling only.
   */
  readonly bootstrapCa?: boolean;
}

export interface Remote {
  readonly text: string;
  /** Passive: we listen, the server dials. */
  readonly isPassive: boolean;
  readonly isTls: boolean;
  readonly address: { readonly path: string } | { readonly host: string; readonly port: number } | { readonly port: number; readonly host?: string };
}

/** IANA's port for OVSDB, ovsdb(7). */
const defaultPort = 6640;
const expected = "expected unix:PATH or tcp:HOST:PORT, ssl:HOST:PORT, punix:PATH, ptcp:[PORT][:HOST] or pssl:[PORT][:HOST]";

/** Reads a connection method; IPv6 addresses stand in brackets. Throws OvsdbError "transport". */
export function parseRemote(text: string): Remote {
  const unix = /^(p?)unix:(.+)$/.exec(text);
  if (unix?.[2] !== undefined) return { text, isPassive: unix[1] === "p", isTls: false, address: { path: unix[2] } };
  const active = /^(tcp|ssl):(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text);
  const host = active?.[2] ?? active?.[3];
  if (active !== null && host !== undefined && isPort(active[4])) return { text, isPassive: false, isTls: active[1] === "ssl", address: { host, port: Number(active[4]) } };
  const passive = /^p(tcp|ssl):(\d*)(?::(?:\[([^\]]+)\]|([^:[\]]+)))?$/.exec(text);
  if (passive !== null && (passive[2] === "" || isPort(passive[2]))) {
    const at = passive[3] ?? passive[4];
    const port = passive[2] === "" ? defaultPort : Number(passive[2]);
    return { text, isPassive: true, isTls: passive[1] === "ssl", address: { port, ...(at === undefined ? {} : { host: at }) } };
  }
  throw new OvsdbError("transport", `"${text}" is not a remote: ${expected}`);
}

const isPort = (digits: string | undefined): boolean => Number(digits) <= 65_535;

/** A fault of a certificate, on either side, is told apart from a connection that fails. */
export function connectionError(what: string, error: Error): OvsdbError {
  const { code } = error as NodeJS.ErrnoException;
  const isTls = /^(ERR_SSL|ERR_TLS|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|EPROTO|HOSTNAME_MISMATCH)/.test(code ?? "");
  return new OvsdbError(isTls ? "tls" : "transport", `${what}: ${error.message}`, {}, error);
}

const read = (path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OvsdbError("tls", `cannot read ${path}: ${(error as Error).message}`, {}, error);
  }
};
function ownCredentials(remote: Remote, files: TlsFiles | undefined): { key: Buffer; cert: Buffer; minVersion: "TLSv1.2" } {
  if (files === undefined) throw new OvsdbError("tls", `${remote.text} needs the option tls: privateKey, certificate and ca`);
  return { key: read(files.privateKey), cert: read(files.certificate), minVersion: "TLSv1.2" };
}
const credentials = (remote: Remote, files: TlsFiles | undefined): ReturnType<typeof ownCredentials> & { ca: Buffer } => ({
  ...ownCredentials(remote, files),
  ca: read(files?.ca ?? ""),
});

interface DialOptions {
  readonly tls?: TlsOptions | undefined;
  readonly timeoutMs: number;
}

/** Connects to an active remote. Rejects with OvsdbError "transport" or "tls". */
export async function dialSocket(remote: Remote, options: DialOptions, signal?: AbortSignal): Promise<net.Socket> {
  const { tls: files, timeoutMs } = options;
  if (remote.isTls && files?.bootstrapCa === true && !existsSync(files.ca)) {
    await fetchAuthority(remote.text, { ...(remote.address as net.TcpNetConnectOpts), ...ownCredentials(remote, files) }, files.ca, timeoutMs, signal);
  }
  return dialNow(remote, options, signal);
}

function dialNow(remote: Remote, options: DialOptions, signal?: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const { isTls, address } = remote;
    const socket = isTls
      ? tls.connect({ ...address, ...credentials(remote, options.tls), ...(options.tls?.checkHost === true ? {} : { checkServerIdentity: () => undefined }) })
      : net.connect(address as net.NetConnectOpts);
    const settled = (): void => {
      clearTimeout(timer);
      socket.off("error", failed);
      signal?.removeEventListener("abort", aborted);
    };
    const failed = (error: Error): void => {
      settled();
      socket.on("error", () => undefined); // what may follow is of no interest any more
      socket.destroy();
      reject(connectionError(`cannot connect to ${remote.text}`, error));
    };
    const aborted = (): void => failed(new Error("aborted"));
    const timer = setTimeout(() => failed(new Error(`no answer within ${options.timeoutMs} ms`)), options.timeoutMs);
    signal?.addEventListener("abort", aborted, { once: true });
    socket.once("error", failed);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      settled();
      resolve(socket);
    });
    if (signal?.aborted) aborted();
  });
}

/**
 * Listens at a passive remote. `accept` gets each socket that is ready, after the handshake; `refused` what went wrong with
 * one. The certificate files are read anew for each that comes.
 */
export function listenAt(remote: Remote, files: TlsFiles | undefined, accept: (socket: net.Socket) => void, refused: (error: OvsdbError) => void): net.Server {
  if (!remote.isTls) return net.createServer(accept).listen(remote.address);
  const server = tls.createServer({ ...credentials(remote, files), requestCert: true, rejectUnauthorized: true, handshakeTimeout: 10_000 });
  // Ahead of the handshake's own listener.
  server.prependListener("connection", () => {
    try {
      server.setSecureContext(credentials(remote, files));
    } catch (error) {
      refused(error as OvsdbError); // the last good ones stay in force
    }
  });
  server.on("secureConnection", accept);
  server.on("tlsClientError", (error) => refused(connectionError(`handshake at ${remote.text}`, error)));
  return server.listen(remote.address);
}
