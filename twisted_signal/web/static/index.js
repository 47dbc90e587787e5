/** The start page: how the server is, and the ways to the two pages, which share a room. */

import { byId, fragment, phoneLink, qrUrl, randomRoom, say, serverLinks, write } from "/static/page.js";

const LOOK_MS = 5_000;
const { token, room = randomRoom() } = fragment();

const link = (path) => `${path}#${new URLSearchParams({ room, ...(token ? { token } : {}) })}`;
byId("to-pc").href = link("/demo/pc");
byId("to-phone").href = link("/demo/phone");

/** Say under which addresses programs reach the server from elsewhere, as far as it knows them. */
function tellAddresses(links) {
  const best = new URL(links.phone[0] ?? location.href);
  // The app need not trust a certificate where the server speaks without one, too.
  const plain = new URL(links.phone.find((link) => link.startsWith("http:")) ?? best);
  const socket = ({ protocol, host }) => `${protocol === "https:" ? "wss" : "ws"}://${host}`;
  write(byId("client"), `${best.origin}/client.js`);
  write(byId("socket"), socket(best));
  write(byId("app"), `${socket(plain)}/signaling`);
}
byId("qr").addEventListener("load", () => { byId("scan").hidden = false; });
byId("qr").addEventListener("error", () => { byId("scan").hidden = true; });

/** Return what keeps a phone from its page, or an empty text. */
function hint(links) {
  const best = links.phone[0] ?? "";
  const host = best && new URL(best).hostname;
  if (!best || ["localhost", "127.0.0.1", "[::1]"].includes(host)) {
    return "Only this machine reaches the server. Start it with --host 0.0.0.0 for phones on the network.";
  }
  if (!best.startsWith("https:")) {
    return "Phones give no camera to a page without https. Start the server with --self-signed.";
  }
  return "";
}

async function look() {
  try {
    const links = await serverLinks();
    say(byId("server"), links.tokenRequired ? "The server runs, and asks for tokens" : "The server runs", "good");
    tellAddresses(links);
    byId("hint").hidden = hint(links) === "";
    write(byId("hint"), hint(links));
    const src = qrUrl(phoneLink(links, { room, token }));
    if (byId("qr").getAttribute("src") !== src) byId("qr").src = src;
  } catch {
    say(byId("server"), "The server does not answer", "bad");
  }
}

tellAddresses({ phone: [] });
look();
setInterval(look, LOOK_MS);
