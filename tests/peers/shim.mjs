// A transparent, streaming proxy on 127.0.0.1 that adds request headers, for clients that cannot send any of their
// own.
//
//   node shim.mjs PORT TARGET_ORIGIN [name=value …]      (PORT 0: any free one)
//
// POSTERN_KEY, when set, is added as `Authorization: Bearer`; REWRITE_HOST=1 replaces Host with the target's.
// Prints {"ready":true,"url":…}; leaves when its standard input closes.

import http from "node:http";

const [, , port, target, ...pairs] = process.argv;
const origin = new URL(target);
const added = {};
if (process.env.POSTERN_KEY) added.authorization = `Bearer ${process.env.POSTERN_KEY}`;
for (const pair of pairs) {
  const at = pair.indexOf("=");
  added[pair.slice(0, at).toLowerCase()] = pair.slice(at + 1);
}
if (process.env.REWRITE_HOST) added.host = origin.host;

const server = http.createServer((request, response) => {
  const upstream = http.request(
    {
      host: origin.hostname,
      port: origin.port,
      path: request.url,
      method: request.method,
      headers: { ...request.headers, ...added },
    },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      response.on("close", () => answer.destroy());
    },
  );
  upstream.on("error", (error) => {
    if (!response.headersSent) response.writeHead(502);
    response.end(String(error));
  });
  request.pipe(upstream);
});
server.listen(Number(port), "127.0.0.1", () =>
  console.log(JSON.stringify({ ready: true, url: `http://127.0.0.1:${server.address().port}` })),
);

process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
