#!/usr/bin/env bash
# Node.js serves and asks over HTTP, has TLS 1.3, and refuses TLS 1.1. An account without rights can run it.
set -euo pipefail

setpriv --reuid nobody --regid nobody --clear-groups -- node - <<'JS'
const assert = require('node:assert');
const http = require('node:http');
const tls = require('node:tls');

assert.strictEqual(tls.DEFAULT_MAX_VERSION, 'TLSv1.3');
assert.ok(['TLSv1.2', 'TLSv1.3'].includes(tls.DEFAULT_MIN_VERSION), tls.DEFAULT_MIN_VERSION);
const server = http.createServer((_, answer) => answer.end('fine'));
server.listen(0, '127.0.0.1', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
  assert.strictEqual(await answer.text(), 'fine');
  server.close();
  server.closeAllConnections();
});
JS
echo "smoke: Node.js runs"
