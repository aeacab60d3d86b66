// Makes the replica set and Parley's user; done again it changes nothing but the
// user's password. Passwords come from files, never from a command line. Parley makes
// its collections and indexes itself when it starts.
const fs = require("fs");
const secret = (name) => fs.readFileSync(`/run/secrets/mongodb-admin/${name}`, "utf8").trim();
const host = (i) => `mongodb-${i}.mongodb:27017`;
const authority = "/run/secrets/tls/ca.crt"; // of the component tls
const tls = fs.existsSync(authority) ? `&tls=true&tlsCAFile=${authority}` : "";
const login = `root:${encodeURIComponent(secret("root-password"))}@`;

const first = new Mongo(`mongodb://${login}${host(0)}/?authSource=admin&directConnection=true${tls}`).getDB("admin");
try {
  first.runCommand({ replSetGetStatus: 1 });
} catch (refused) { // mongosh throws what a server refuses, instead of returning it
  if (refused.codeName !== "NotYetInitialized") throw refused;
  first.runCommand({ replSetInitiate: { _id: "rs0", members: [0, 1, 2].map((i) => ({ _id: i, host: host(i) })) } });
}

const all = [0, 1, 2].map(host).join(",");
const parley = new Mongo(`mongodb://${login}${all}/?authSource=admin&replicaSet=rs0${tls}`).getDB("parley");
const user = { pwd: secret("parley-password"), roles: [{ role: "readWrite", db: "parley" }] };
if (parley.getUser("parley")) {
  parley.updateUser("parley", user);
} else {
  parley.createUser({ user: "parley", ...user });
}
