/** The start page: how the server is, and the ways to the two pages, which share a room. */

import {
  byId, fragment, linkHint, notice, phoneLink, qrUrl, randomRoom, say, serverLinks, write,
} from "/static/page.js";

const LOOK_MS = 5_000;
const { token, room = randomRoom() } = fragment();

const inRoom = (path) => `${path}#${new URLSearchParams({ room, ...(token ? { token } : {}) })}`;
byId("to-pc").href = inRoom("/demo/pc");
byId("to-phone").href = inRoom("/demo/phone");

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

async function look() {
  try {
    const links = await serverLinks();
    say(byId("server"), links.tokenRequired ? "The server runs, and asks for tokens" : "The server runs", "good");
    tellAddresses(links);
    const link = phoneLink(links, { room, token });
    notice(linkHint(link), "busy");
    const src = qrUrl(link);
    if (byId("qr").getAttribute("src") !== src) byId("qr").src = src;
  } catch {
    say(byId("server"), "The server does not answer", "bad");
  }
}

tellAddresses({ phone: [] });
look();
setInterval(look, LOOK_MS);
