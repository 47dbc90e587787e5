package vislam

import java.util.ArrayDeque
import java.util.concurrent.ScheduledThreadPoolExecutor
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import kotlin.random.Random
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import okhttp3.WebSocket
import okhttp3.WebSocketListener
import org.json.JSONArray
import org.json.JSONObject

/** What the server says, on the thread of [Signaling.post]. */
interface SignalingListener {
    /** In the room: anew, or again after a break. In the second case what was missed follows. */
    fun onEntered(anew: Boolean, peers: List<String>)

    /** Use these STUN and TURN servers from now on, in the form of RTCConfiguration.iceServers. */
    fun onIceServers(iceServers: JSONArray)

    /** `offer`, `answer`, `ice_candidate`, `message`, `peer_joined`, `peer_left` or `error`. */
    fun onMessage(message: JSONObject)

    /** The server does not want this client, and coming back does not help. */
    fun onEnded(reason: String)
}

/**
 * A client of the signaling server. It comes back by itself when its connection breaks, and
 * sends again what may not have arrived.
 */
class Signaling(
    private val url: String,
    private val clientId: String,
    private val roomId: String,
    private val token: String?,
    private val listener: SignalingListener,
    http: OkHttpClient = OkHttpClient()
) {
    private val http = http.newBuilder().pingInterval(15, TimeUnit.SECONDS).build()
    private val loop = ScheduledThreadPoolExecutor(1, ThreadPoolExecutor.DiscardPolicy())
    private var socket: WebSocket? = null
    private var entered = false
    private var resumeToken: String? = null
    private var received = 0 // messages since it came into the room, or back
    private var pause = 0L // before the next try to connect, in milliseconds
    private var notBefore = 0L // the server asks not to be spoken to until then
    private var lastIceServers: JSONObject? = null
    private val outbox = ArrayDeque<String>()
    private var sending = false // the first of the outbox, until the server's pong confirms it

    fun open() = post { connect() }

    fun close() = post {
        socket?.close(1000, null) // gives up the place at once
        socket = null
        loop.shutdownNow()
    }

    /** Do something on the one thread that all of this runs on, soon or after a time. */
    fun post(milliseconds: Long = 0, work: () -> Unit) {
        val guarded = Runnable { runCatching(work).exceptionOrNull()?.printStackTrace() }
        loop.schedule(guarded, milliseconds, TimeUnit.MILLISECONDS)
    }

    fun send(message: JSONObject) = post {
        outbox.add(message.toString())
        sendNext()
    }

    /** Drop what waits to be sent: it belongs to a call that is over. On the thread of [post]. */
    fun forget() {
        while (outbox.size > (if (sending) 1 else 0)) outbox.removeLast()
    }

    private fun connect() {
        val request = Request.Builder().url(url).build()
        socket = http.newWebSocket(request, object : WebSocketListener() {
            override fun onOpen(webSocket: WebSocket, response: Response) =
                post { if (webSocket === socket) enter() }

            override fun onMessage(webSocket: WebSocket, text: String) =
                post { if (webSocket === socket) receive(JSONObject(text)) }

            override fun onClosing(webSocket: WebSocket, code: Int, reason: String) {
                webSocket.close(1000, null)
                post { if (webSocket === socket) comeBack(code, reason) }
            }

            override fun onFailure(webSocket: WebSocket, t: Throwable, response: Response?) =
                post { if (webSocket === socket) comeBack(1006, t.toString()) }
        })
    }

    private fun comeBack(code: Int, reason: String) {
        entered = false
        if (code !in listOf(1001, 1006, 1011, 1012, 1013, 1014)) return end("$code $reason")
        val wait = maxOf(notBefore - now(), pause / 2 + Random.nextLong(pause / 2 + 1))
        pause = minOf(maxOf(2 * pause, 1000), 10_000)
        post(wait, ::connect)
    }

    private fun end(reason: String) {
        listener.onEnded(reason)
        close()
    }

    private fun enter() {
        val entry = JSONObject()
        if (resumeToken != null) {
            entry.put("type", "resume").put("resume_token", resumeToken).put("received", received)
        } else {
            entry.put("type", "register").put("client_id", clientId).put("room_id", roomId)
                .put("client_type", "android").put("resume", true).put("ice_servers", true)
            if (token != null) entry.put("token", token)
        }
        socket?.send(entry.toString())
    }

    private fun receive(message: JSONObject) {
        received++
        val wait = message.optLong("retry_after_ms", message.optLong("reconnect_in_ms", 0))
        notBefore = maxOf(notBefore, now() + wait)
        val type = message.getString("type")
        when {
            type == "registered" || type == "resumed" -> entered(message, type == "registered")
            type == "error" && !entered -> when {
                wait > 0 -> post(wait, ::enter)
                message.getString("code") == "resume_expired" -> {
                    resumeToken = null // it was away for too long, or the server was started anew
                    enter()
                }
                else -> end(message.getString("message"))
            }
            type == "error" && wait > 0 -> { // refused: send it again then
                sending = false
                post(wait, ::sendNext)
            }
            type == "pong" && sending -> {
                outbox.remove()
                sending = false
                sendNext()
            }
            type == "ice_servers" -> takeIceServers(message)
            type != "pong" && type != "server_shutdown" -> listener.onMessage(message)
        }
    }

    private fun entered(message: JSONObject, anew: Boolean) {
        received = 0
        resumeToken = if (message.has("resume_token")) message.getString("resume_token") else null
        pause = 0
        entered = true
        sending = false
        if (anew) outbox.clear() // it belongs to a call of before
        val ids = message.getJSONArray("peers")
        val peers = (0 until ids.length()).map { ids.getString(it) }
        takeIceServers(message)
        listener.onEntered(anew, peers)
        sendNext()
    }

    private fun takeIceServers(message: JSONObject) {
        listener.onIceServers(message.optJSONArray("ice_servers") ?: return)
        lastIceServers = message
        val milliseconds = message.optLong("ice_servers_expire_in_ms")
        if (milliseconds > 0) post(milliseconds * 3 / 4) { // ask for fresh credentials in time
            if (message === lastIceServers) send(JSONObject().put("type", "ice_servers"))
        }
    }

    private fun sendNext() {
        if (!entered || sending || outbox.isEmpty() || now() < notBefore) return
        sending = true
        socket?.send(outbox.peek())
        socket?.send("""{"type": "ping"}""")
    }

    private fun now() = System.nanoTime() / 1_000_000
}
