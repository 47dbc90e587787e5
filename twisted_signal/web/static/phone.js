/** The phone's page: sends camera and motion to the PC in its room, for as long as it is open. */

import { Signal, connectPeer, randomText } from "/client.js";
import { Wakefulness, openCamera } from "/static/camera.js";
import { askForMotion, watchMotion } from "/static/motion.js";
import {
  byId, fragment, notice, refusal, remember, say, serverLinks, signalState, socketUrl, write,
} from "/static/page.js";
import { CallStats, figure, resolution } from "/static/stats.js";

const LOOK_MS = 1_000;
const ANEW_MS = 12_000; // after which a call that does not come back is begun anew
const MAX_BUFFERED = 65_536; // bytes of samples that may wait: older than some seconds they are of no use

const { room = "default", id = `phone-${randomText(4)}` } = fragment();

/** One call to the PC. */
class Call {
  /** `over` is called once, when the call cannot go on. */
  constructor(signal, peerId, stream, over) {
    this.peerId = peerId;
    this.pc = new RTCPeerConnection({ iceServers: signal.iceServers });
    this.stats = new CallStats(this.pc);
    this.samples = 0;
    this.brokenSince = null;
    this.channel = this.pc.createDataChannel("imu");
    for (const track of stream.getTracks()) this.pc.addTrack(track, stream);
    this.call = connectPeer(signal, this.pc, { peerId });
    this.call.ended.then(() => over(this));
    // The other end's RTCPeerConnection was closed: its page is left, or loaded anew.
    this.channel.onclose = () => over(this);
    this.pc.onconnectionstatechange = () => {
      const broken = ["disconnected", "failed"].includes(this.pc.connectionState);
      this.brokenSince = broken ? this.brokenSince ?? performance.now() : null;
    };
  }

  send(text) {
    if (this.channel.readyState !== "open" || this.channel.bufferedAmount > MAX_BUFFERED) return;
    this.channel.send(text);
    this.samples += 1;
  }

  close() {
    this.channel.onclose = null;
    this.call.close();
  }
}

class Phone {
  #signal = null;
  #stream = null;
  #call = null;
  #stopMotion = null;
  #lastSamples = 0;
  #timer = 0;
  #wakefulness = new Wakefulness((awake) => write(byId("awake"), awake ? "stays on" : "may turn off"));

  async start() {
    byId("start").disabled = true;
    notice("");
    const withoutMotion = await askForMotion(); // first: iOS wants it from within the tap
    try {
      this.#stream = await openCamera();
    } catch (error) {
      notice(error.message);
      return;
    } finally {
      byId("start").disabled = false;
    }
    byId("preview").srcObject = this.#stream;
    this.#stream.getVideoTracks()[0].onended = () => this.stop("The camera was taken away. Tap Start to go on.");
    this.#stopMotion = withoutMotion === null ? watchMotion((text) => this.#call?.send(text)) : null;
    byId("motion-note").hidden = withoutMotion === null;
    write(byId("motion-note"), withoutMotion ?? "");
    this.#wakefulness.start();
    show(true);
    this.#enter();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Stop all that was started; `why` is said, where it was not the user. */
  stop(why = "") {
    clearInterval(this.#timer);
    this.#stopMotion?.();
    this.#wakefulness.stop();
    this.#call?.close();
    this.#signal?.close();
    this.#stream?.getTracks().forEach((track) => track.stop());
    [this.#call, this.#signal, this.#stream] = [null, null, null];
    byId("preview").srcObject = null;
    show(false);
    notice(why);
    byId("start").focus();
  }

  async #enter() {
    const { token = null } = fragment();
    const signal = new Signal(socketUrl(), { room, clientId: id, clientType: "phone", token });
    this.#signal = signal;
    signal.addEventListener("statechange", () => this.#tell());
    this.#tell();
    try {
      await signal.ready;
      this.#seek();
      for await (const event of signal) {
        if (["peers", "peer_joined", "reconnected"].includes(event.type)) this.#seek();
        this.#tell();
      }
    } catch (error) {
      if (this.#signal !== signal) return;
      this.stop(refusal(error));
      askForToken(["unauthorized", "forbidden"].includes(error.code));
    }
  }

  /** Call the PC of the room, where there is one and it is not called already. */
  #seek() {
    if (this.#call !== null || this.#signal?.state !== "connected") return;
    const [pc] = [...this.#signal.peers].find(([, clientType]) => clientType === "pc") ?? [];
    if (pc === undefined) return;
    this.#lastSamples = 0;
    this.#call = new Call(this.#signal, pc, this.#stream, (call) => {
      if (this.#call !== call) return;
      call.close();
      this.#call = null;
      this.#tell(); // and #look calls again, when the server knows too whether the PC has left
    });
    this.#call.pc.addEventListener("connectionstatechange", () => this.#tell());
  }

  async #look() {
    this.#tell();
    const call = this.#call;
    if (call === null) {
      this.#seek();
      return;
    }
    const here = this.#signal.state === "connected" && this.#signal.peers.has(call.peerId);
    const overdue = call.brokenSince !== null && performance.now() - call.brokenSince > ANEW_MS;
    const gone = this.#signal.state === "connected" && !here && call.brokenSince !== null;
    if ((here && overdue) || gone) {
      call.close();
      this.#call = null;
      this.#seek();
      return;
    }
    const stats = await call.stats.take();
    write(byId("resolution"), resolution(stats));
    write(byId("frames"), figure(stats.framesPerSecond, "/s"));
    write(byId("bit-rate"), figure(stats.megabitsPerSecond, "Mbit/s", 1));
    write(byId("round-trip"), figure(stats.roundTripMs, "ms"));
    write(byId("samples"), this.#stopMotion ? `${call.samples - this.#lastSamples} /s` : "off");
    this.#lastSamples = call.samples;
  }

  #tell() {
    if (this.#signal === null) return;
    const media = this.#call?.pc.connectionState;
    const trouble = signalState(this.#signal);
    if (media === "connected") {
      const aside = trouble === null ? "" : " The server is away; that does no harm to the call.";
      say(byId("state"), `Sending to ${this.#call.peerId}.${aside}`, "good");
    } else if (trouble !== null) {
      say(byId("state"), ...trouble);
    } else if (media === "disconnected" || media === "failed") {
      const help = media === "failed" ? " Is it in the same Wi-Fi? Guest networks keep devices apart." : "";
      say(byId("state"), `The way to ${this.#call.peerId} is lost. Looking for another …${help}`, "bad");
    } else if (this.#call !== null) {
      say(byId("state"), `Connecting to ${this.#call.peerId} …`, "busy");
    } else {
      say(byId("state"), `Waiting for a PC in room ${room}. Open the PC’s page in that room.`, "busy");
    }
  }

  close() { this.#signal?.close(); }
}

/** Show what belongs to a phone that sends, or else to one that does not. */
function show(sending) {
  byId("main").classList.toggle("idle", !sending);
  byId("title").classList.toggle("visually-hidden", sending);
  byId("welcome").hidden = sending;
  for (const name of ["figures", "stop", "state"]) byId(name).hidden = !sending;
  byId("start").hidden = sending;
  byId("motion-note").hidden ||= !sending;
  if (sending) byId("stop").focus();
}

function askForToken(wanted) {
  byId("token-form").hidden = !wanted;
  if (wanted) byId("token").focus();
}

/** Without https there is no camera: say so, and lead to where there is. */
async function leadToHttps() {
  byId("start").disabled = true;
  const links = await serverLinks().catch(() => ({ phone: [] }));
  const secure = links.phone.find((link) => link.startsWith("https:"));
  if (secure === undefined) {
    notice("Browsers give the camera to https pages only, and this server has no https. "
      + "Start it with --self-signed, and open the page again.");
    return;
  }
  notice("Browsers give the camera to https pages only. The browser will warn of the server’s certificate: "
    + "the server has made it for itself.", "busy");
  byId("secure").href = secure + location.hash;
  byId("secure").hidden = false;
  byId("start").hidden = true;
}

const phone = new Phone();
for (const name of ["room", "room-again"]) write(byId(name), room);
remember({ room, id });
byId("start").addEventListener("click", () => {
  if (byId("token").value.trim()) remember({ token: byId("token").value.trim() });
  askForToken(false);
  phone.start();
});
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("start").click();
});
byId("stop").addEventListener("click", () => phone.stop());
addEventListener("pagehide", () => phone.close()); // else the place in the room would be kept for a while
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
addEventListener("hashchange", () => location.reload());
if (!isSecureContext) leadToHttps();
else serverLinks().then((links) => askForToken(links.tokenRequired && !fragment().token), () => {});
