/** The two roots of a server: for requests, and the address of the socket. */
export function baseURL(url: string): { http: string; socket: string } {
  const m = /^(http|ws)(s?):\/\/(.+?)(\/v1\/ws)?\/*$/.exec(url);
  if (m === null) throw new TypeError("url: http(s) or ws(s), and a host");
  const [, , s, rest] = m;
  return { http: `http${s}://${rest}`, socket: `ws${s}://${rest}/v1/ws` };
}

const address = /^(?:http|ws)(s?):\/\/((?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?)(\/[^\s?#\\]*)?$/;

/**
 * The address of the socket at a server that another one has named. The token goes
 * there: so only to the same host and port, or where `may` says so, and never in the
 * clear where it is not in the clear now. Undefined: it is to be ignored.
 */
export function namedSocket(named: string, present: string, may: ((url: string) => boolean) | undefined): string | undefined {
  const to = address.exec(named);
  const from = address.exec(present);
  if (to === null || from === null || (from[1] === "s" && to[1] !== "s")) return undefined;
  const port = (m: RegExpExecArray) => (/:\d+$/.test(m[2]!) ? "" : m[1] === "s" ? ":443" : ":80");
  const host = (m: RegExpExecArray) => (m[2]! + port(m)).toLowerCase();
  const { http, socket } = baseURL(named);
  return host(to) === host(from) || may?.(http) === true ? socket : undefined;
}
