/** The PC's page: invites phones into its room, and shows what each of them sends. */

import { Signal, connectPeer, randomText } from "/client.js";
import {
  byId, fragment, linkHint, notice, phoneLink, qrUrl, randomRoom, refusal, remember, say, serverLinks, signalState,
  socketUrl, write,
} from "/static/page.js";
import { Plot } from "/static/plot.js";
import { CallStats, figure, resolution } from "/static/stats.js";

const LOOK_MS = 1_000;
const PATIENCE_MS = 10_000; // with a phone that is in the room and does not call

const { room = randomRoom() } = fragment();

/** What one phone sends: a panel on the page, and a connection that may be made anew. */
class Phone {
  #signal;
  #panel;
  #pc = null;
  #call = null;
  #stats = null;
  #plots = null;
  #samples = 0;
  #lastSamples = 0;
  #failed = false;
  #hungUp = false;

  constructor(signal, peerId) {
    this.#signal = signal;
    this.peerId = peerId;
    this.#panel = byId("phone-template").content.cloneNode(true).firstElementChild;
    write(this.#find(".name"), peerId);
    this.#find("video").setAttribute("aria-label", `What ${peerId} sees`);
    this.#panel.setAttribute("aria-label", peerId);
    byId("phones").prepend(this.#panel);
  }

  #find(selector) { return this.#panel.querySelector(selector); }

  get connected() { return this.#pc?.connectionState === "connected" && !this.#hungUp; }

  /** Answer an offer. A second one is of a connection that the phone made anew. */
  answer(offer) {
    this.#call?.close();
    const pc = new RTCPeerConnection({ iceServers: this.#signal.iceServers });
    this.#pc = pc;
    this.#hungUp = false;
    this.#stats = new CallStats(pc);
    pc.addEventListener("connectionstatechange", () => this.tell());
    pc.addEventListener("iceconnectionstatechange", () => {
      // It stays said while ICE tries again, or the reader would see it for a moment only.
      if (pc.iceConnectionState === "failed") this.#failed = true;
      if (pc.iceConnectionState === "connected") this.#failed = false;
    });
    pc.addEventListener("track", ({ track, streams }) => {
      if (track.kind === "video") this.#find("video").srcObject = streams[0] ?? new MediaStream([track]);
    });
    pc.addEventListener("datachannel", ({ channel }) => {
      if (channel.label === "imu") channel.addEventListener("message", ({ data }) => this.#sample(data));
      // The phone's RTCPeerConnection was closed; its own state tells that some seconds later.
      channel.addEventListener("close", () => { if (this.#pc === pc) this.#hungUp = true; });
    });
    const call = connectPeer(this.#signal, pc, { peerId: this.peerId, offer });
    this.#call = call;
    call.ended.then((how) => {
      if (this.#call === call && how instanceof Error) {
        say(this.#find(".state"), `What the phone offers cannot be answered: ${how.message}`, "bad");
      }
    });
    this.tell();
  }

  #sample(text) {
    const sample = JSON.parse(text);
    if (this.#plots === null) {
      this.#find(".no-motion").hidden = true;
      for (const name of ["acceleration", "rotation"]) this.#find(`.${name}`).hidden = false;
      this.#plots = [new Plot(this.#find(".acceleration"), 10), new Plot(this.#find(".rotation"), 1)];
    }
    this.#samples += 1;
    const time = sample.timestamp_ns / 1e9;
    this.#plots[0].add({ time, x: sample.acc_x, y: sample.acc_y, z: sample.acc_z });
    this.#plots[1].add({ time, x: sample.gyro_x, y: sample.gyro_y, z: sample.gyro_z });
  }

  async look() {
    this.tell();
    if (this.#stats === null) return;
    const stats = await this.#stats.take();
    const show = (name, text) => write(this.#find(`[data-figure="${name}"]`), text);
    show("resolution", resolution(stats));
    show("frames", figure(stats.framesPerSecond, "/s"));
    show("round-trip", figure(stats.roundTripMs, "ms"));
    show("bit-rate", figure(stats.megabitsPerSecond, "Mbit/s", 1));
    show("samples", this.#plots === null ? "–" : `${this.#samples - this.#lastSamples} /s`);
    show("way", stats.relayed === null ? "–" : stats.relayed ? "by TURN" : "direct");
    this.#lastSamples = this.#samples;
  }

  tell() {
    const state = this.#find(".state");
    switch (this.#pc?.connectionState) {
      case "connected":
        say(state, "Live", "good");
        break;
      case "disconnected":
        say(state, "Nothing comes from the phone at the moment. Is it still in the network?", "busy");
        break;
      case "closed":
        break;
      default:
        if (this.#failed || this.#pc?.connectionState === "failed") {
          say(state, "No way to the phone works. Are both in the same network? Guest networks keep devices "
            + "apart; a TURN server (--turn-uri) leads round that. Trying on …", "bad");
        } else {
          say(state, "Connecting …", "busy");
        }
    }
  }

  remove() {
    this.#plots?.forEach((plot) => plot.stop());
    this.#call?.close();
    this.#panel.remove();
  }
}

class Pc {
  #phones = new Map();
  #arrived = new Map(); // when those came who have not called yet
  #signal = null;
  #left = ""; // who left last

  async enter() {
    const { token = null } = fragment();
    // The same id after the page was loaded anew: it takes its own place again.
    const clientId = sessionStorage.getItem("pc-id") ?? `pc-${randomText(4)}`;
    sessionStorage.setItem("pc-id", clientId);
    const signal = new Signal(socketUrl(), { room, clientId, clientType: "pc", token });
    this.#signal = signal;
    signal.addEventListener("statechange", () => this.#tell());
    this.#tell();
    try {
      await signal.ready;
      for await (const event of signal) this.#take(event);
    } catch (error) {
      this.#refused(error);
    }
  }

  #take(event) {
    const phone = this.#phones.get(event.peerId);
    switch (event.type) {
      case "offer":
        this.#arrived.delete(event.peerId);
        this.#phoneOf(event.peerId).answer(event);
        break;
      case "peer_joined":
        if (event.clientType !== "pc" && !phone) this.#arrived.set(event.peerId, performance.now());
        break;
      case "peers":
        for (const [peerId, clientType] of event.peers) {
          if (clientType !== "pc" && !this.#phones.has(peerId) && !this.#arrived.has(peerId)) {
            this.#arrived.set(peerId, performance.now());
          }
        }
        break;
      case "peer_left":
        this.#arrived.delete(event.peerId);
        // The server may have lost sight of one whose call goes on; then its own state decides.
        if (phone && !phone.connected) this.#remove(phone);
        break;
      default:
    }
    this.#tell();
  }

  #phoneOf(peerId) {
    const known = this.#phones.get(peerId);
    if (known) return known;
    const phone = new Phone(this.#signal, peerId);
    this.#phones.set(peerId, phone);
    this.#fold(true);
    return phone;
  }

  #remove(phone) {
    phone.remove();
    this.#phones.delete(phone.peerId);
    this.#left = phone.peerId;
    if (this.#phones.size === 0) this.#fold(false);
  }

  /** Make room for what phones send, or invite the first one. */
  #fold(folded) {
    byId("invitation").open = !folded;
    byId("invitation").classList.toggle("first", !folded);
    write(byId("invitation-title"), folded ? "Show what another phone sees" : "Show what your phone sees");
  }

  #refused(error) {
    if (error.code === "id_taken") { // by another tab, which was opened from this one
      sessionStorage.removeItem("pc-id");
      this.enter();
      return;
    }
    this.#tell();
    notice(refusal(error));
    askForToken(["unauthorized", "forbidden"].includes(error.code));
  }

  async look() {
    for (const phone of [...this.#phones.values()]) {
      const here = this.#signal.state !== "connected" || this.#signal.peers.has(phone.peerId);
      if (!here && !phone.connected) this.#remove(phone);
      else await phone.look();
    }
    this.#tell();
  }

  #tell() {
    const trouble = signalState(this.#signal);
    if (this.#signal.state === "connected") notice("");
    if (trouble !== null) {
      const live = [...this.#phones.values()].some((phone) => phone.connected);
      const calm = live && this.#signal.state !== "closed" ? " Calls go on meanwhile." : "";
      say(byId("state"), trouble[0] + calm, trouble[1]);
      return;
    }
    if (this.#phones.size > 0) {
      say(byId("state"), this.#phones.size === 1 ? "One phone" : `${this.#phones.size} phones`, "good");
      return;
    }
    const [coming] = this.#arrived;
    if (coming === undefined) {
      say(byId("state"), `${this.#left ? `${this.#left} has left. ` : ""}Waiting for a phone`, "busy");
    } else if (performance.now() - coming[1] > PATIENCE_MS) {
      say(byId("state"), `${coming[0]} is in the room and does not call. Reload its page, and tap Start`, "busy");
    } else {
      say(byId("state"), `${coming[0]} is here, and connects …`, "busy");
    }
  }

  close() { this.#signal?.close(); }
}

function askForToken(wanted) {
  byId("token-form").hidden = !wanted;
  byId("invitation").hidden = wanted;
  if (wanted) byId("token").focus();
}

async function invite() {
  const links = await serverLinks().catch(() => null);
  if (links === null) {
    setTimeout(invite, LOOK_MS);
    return;
  }
  const link = phoneLink(links, { room, token: fragment().token });
  byId("link").href = link;
  write(byId("link"), link.replace(/&token=.*/, "&token=…"));
  byId("certificate").hidden = !link.startsWith("https:");
  byId("link-hint").hidden = linkHint(link) === "";
  write(byId("link-hint"), linkHint(link));
  byId("qr").src = qrUrl(link);
}

const pc = new Pc();
write(byId("room"), room);
remember({ room });
byId("qr").addEventListener("error", () => { byId("qr-frame").hidden = true; }); // too long for a code
byId("qr").addEventListener("load", () => { byId("qr-frame").hidden = false; });
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("link").href);
    write(byId("copied"), "Copied.");
  } catch { // no clipboard without https
    getSelection().selectAllChildren(byId("link"));
    write(byId("copied"), "Selected: copy it with the keyboard.");
  }
});
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  remember({ token: byId("token").value.trim() });
  askForToken(false);
  notice("");
  invite();
  pc.enter();
});
addEventListener("pagehide", () => pc.close()); // else the place in the room would be kept for a while
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
addEventListener("hashchange", () => location.reload());
setInterval(() => pc.look(), LOOK_MS);
invite();
pc.enter();
