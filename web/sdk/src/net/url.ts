/** The two roots of a server: for requests, and the address of the socket. */
export function baseURL(url: string): { http: string; socket: string } {
  const m = /^(http|ws)(s?):\/\/(.+?)(\/v1\/ws)?\/*$/.exec(url);
  if (m === null) throw new TypeError("url: http(s) or ws(s), and a host");
  const [, , s, rest] = m;
  return { http: `http${s}://${rest}`, socket: `ws${s}://${rest}/v1/ws` };
}
