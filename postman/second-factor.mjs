// What the steps about the second factor send and keep.

// The code that an authenticator app would show (RFC 6238).
export const keepCode = [
  'const crypto = require("crypto-js");',
  'const bits = [...pm.response.json().data.secret].map((letter) =>',
  '  "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"));',
  'const octets = bits.join("").match(/.{8}/g).map((octet) => parseInt(octet, 2));',
  'const key = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");',
  'const step = Math.floor(Date.now() / 30000).toString(16).padStart(16, "0");',
  'const parse = crypto.enc.Hex.parse;',
  'const mac = crypto.HmacSHA1(parse(step), parse(key)).toString();',
  'const at = 2 * parseInt(mac.slice(-1), 16);',
  'const number = (parseInt(mac.slice(at, at + 8), 16) & 0x7fffffff) % 1e6;',
  'pm.environment.set("code", String(number).padStart(6, "0"));',
].join("\n");

// Its texts are base64url, and come from the browser's `PublicKeyCredential.toJSON()`.
export const passkey = (part) => ({
  id: "AAAA",
  rawId: "AAAA",
  type: "public-key",
  response: { clientDataJSON: "AAAA", [part]: "AAAA" },
});
