// Once, in mongosh on the first of MEMBERS (HOST:PORT,...) itself: makes the replica set and its user.
// As long as there is no user MongoDB lets a caller on the same computer do just that, and no other.
// A second run finds it done, or takes in members that have come since.
const user = "smart_beer";
const password = require("fs").readFileSync("/run/secrets/mongo-password", "utf8").trim();
const members = process.env.MEMBERS.split(",");
const admin = db.getSiblingDB("admin");

function state() {
  try {
    rs.status();
    return "Joined";
  } catch (error) {
    if (error.codeName === "NotYetInitialized" || error.codeName === "Unauthorized") return error.codeName;
    throw error;
  }
}

let found = state();
const hasUser = found === "Unauthorized";
if (hasUser) {
  admin.auth(user, password);
  found = state();
}
if (found === "NotYetInitialized") {
  // The first leads when it can, the last only when no other can.
  const priorities = [2, 1, 0.5];
  rs.initiate({ _id: "smart-beer", members: members.map((host, i) => ({ _id: i, host: host, priority: priorities[i] })) });
}
for (let left = 120; !db.hello().isWritablePrimary; left--) {
  if (left === 0) throw new Error(`MongoDB at ${members[0]} does not lead its replica set after two minutes: see to it that it reaches ${members.join(" and ")}, and run this again there`);
  sleep(1000);
}
if (!hasUser) {
  admin.createUser({ user: user, pwd: password, roles: ["root"] }, { w: "majority", wtimeout: 60000 });
  admin.auth(user, password);
}
const known = rs.conf().members.map((member) => member.host);
for (const host of members.filter((one) => !known.includes(one))) rs.add({ host: host, priority: 0.5 });
print("the replica set smart-beer and its user are there");
