// Run by mongosh, each time compose comes up: the replica set, and users that may touch one database each. Repeating
// it changes nothing but passwords that changed in .env.

const password = (name) => process.env[`MONGO_${name.toUpperCase()}_PASSWORD`];
const host = process.env.MONGO_HOST || "mongodb:27017";
const admin = connect(`mongodb://root:${encodeURIComponent(password("root"))}@${host}/admin?directConnection=true&authSource=admin`);

try {
  admin.adminCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host }] } });
  print("the replica set rs0 is made");
} catch (error) {
  if (error.codeName !== "AlreadyInitialized") throw error;
}
const deadline = Date.now() + 60_000;
while (!admin.hello().isWritablePrimary) {
  if (Date.now() > deadline) throw new Error("no primary within a minute");
  sleep(100);
}

const services = ["ingest", "feed", "engagement", "expiry"];
const users = {
  ...Object.fromEntries(services.map((name) => [name, [{ role: "readWrite", db: `stories_${name}` }]])),
  operator: services.map((name) => ({ role: "readWrite", db: `stories_${name}` })),
  monitor: [{ role: "clusterMonitor", db: "admin" }, { role: "read", db: "local" }],
};
for (const [name, roles] of Object.entries(users)) {
  const user = { pwd: password(name), roles };
  if (admin.getUser(name)) admin.updateUser(name, user);
  else admin.createUser({ user: name, ...user });
}
print(`users: ${Object.keys(users).join(", ")}`);
