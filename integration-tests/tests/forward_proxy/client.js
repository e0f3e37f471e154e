// Fetches a path of a host by CONNECT, over mutual TLS to the proxy.
//
// client.js PROXY-HOST PROXY-PORT MESH CHAIN KEY ROOTS HOST PATH
// Prints the status: the origin's, or the proxy's if there is no tunnel.
'use strict';

const fs = require('node:fs');
const https = require('node:https');

const [address, port, mesh, chain, key, roots, host, path] = process.argv.slice(2);

const connect = https.request({
  host: address,
  port,
  method: 'CONNECT',
  path: `${host}:443`,
  headers: { host: `${host}:443` },
  ca: fs.readFileSync(mesh),
  cert: fs.readFileSync(chain),
  key: fs.readFileSync(key),
  // The gateway's certificate names a workload, and no host.
  checkServerIdentity: () => undefined,
});
connect.on('connect', (answer, socket) => {
  if (answer.statusCode !== 200) {
    console.log(answer.statusCode);
    socket.destroy();
    return;
  }
  const ca = fs.readFileSync(roots);
  const request = { socket, host, servername: host, path, ca, agent: false };
  https
    .get(request, (response) => {
      console.log(response.statusCode);
      response.resume();
      response.on('end', () => socket.end());
    })
    .on('error', (error) => console.log(error.message));
});
connect.on('error', (error) => console.log(error.message));
connect.end();
