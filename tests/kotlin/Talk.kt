package vislam

import okhttp3.OkHttpClient
import org.json.JSONArray
import org.json.JSONObject

/** Says what stands on its input, a message a line, and prints what it hears. */
fun main(arguments: Array<String>) {
    val (url, clientId, roomId) = arguments
    val http = OkHttpClient()
    val listener = object : SignalingListener {
        override fun onEntered(anew: Boolean, peers: List<String>) =
            println("entered anew=$anew peers=$peers")

        override fun onIceServers(iceServers: JSONArray) = println("ICE servers $iceServers")

        override fun onMessage(message: JSONObject) = println("told $message")

        override fun onEnded(reason: String) = println("ended $reason")
    }
    val signaling = Signaling(url, clientId, roomId, null, listener, http)
    signaling.open()
    generateSequence(::readLine).forEach { signaling.send(JSONObject(it)) }
    signaling.close()
    http.dispatcher().executorService().shutdown()
}
