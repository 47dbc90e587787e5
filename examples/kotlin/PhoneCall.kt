package vislam

import java.nio.ByteBuffer
import org.json.JSONArray
import org.json.JSONObject
import org.webrtc.DataChannel
import org.webrtc.IceCandidate
import org.webrtc.MediaConstraints
import org.webrtc.MediaStream
import org.webrtc.PeerConnection
import org.webrtc.PeerConnectionFactory
import org.webrtc.RtpReceiver
import org.webrtc.SdpObserver
import org.webrtc.SessionDescription
import org.webrtc.VideoTrack

/**
 * A phone for VI-SLAM: calls the first peer of its room, and sends it a camera and an IMU.
 *
 *     val phone = PhoneCall(factory, camera, "wss://192.0.2.7:8766", "phone1", "lab1", token)
 *     phone.sendSample(sample) // for each sample of the IMU
 *     phone.close()
 */
class PhoneCall(
    private val factory: PeerConnectionFactory,
    private val camera: VideoTrack,
    url: String,
    clientId: String,
    roomId: String,
    token: String? = null
) : SignalingListener {
    private val signaling = Signaling(url, clientId, roomId, token, this)
    private val peers = LinkedHashSet<String>()
    private var iceServers = emptyList<PeerConnection.IceServer>()
    private var call: Call? = null

    init {
        signaling.open()
    }

    /** Send a sample: timestamp_ns, acc_x … gyro_z, in the axes of the phone. */
    fun sendSample(sample: JSONObject) = signaling.post {
        val text = ByteBuffer.wrap(sample.toString().toByteArray())
        call?.imu?.send(DataChannel.Buffer(text, false))
    }

    fun close() = signaling.post {
        hangUp()
        signaling.close()
    }

    override fun onIceServers(iceServers: JSONArray) {
        this.iceServers = servers(iceServers)
    }

    override fun onEntered(anew: Boolean, peers: List<String>) {
        this.peers.clear()
        this.peers.addAll(peers)
        if (anew && call?.connected == false) hangUp() // the peer may never have heard of it
        callSomebody()
    }

    override fun onMessage(message: JSONObject) {
        val peerId = message.optString("sender_id", message.optString("client_id"))
        val call = call?.takeIf { it.peerId == peerId }
        when (message.getString("type")) {
            "answer" -> call?.takeAnswer(message)
            "ice_candidate" -> call?.takeCandidate(message)
            "peer_joined" -> {
                peers.add(peerId)
                callSomebody()
            }
            "peer_left" -> { // which does not end a call: its media need no signaling
                peers.remove(peerId)
                if (call?.connected == false) hangUp()
                callSomebody()
            }
            "error" -> println("The server says: ${message.getString("message")}")
        }
    }

    override fun onEnded(reason: String) = println("The server ended it: $reason")

    private fun callSomebody() {
        if (call == null && peers.isNotEmpty()) call = Call(peers.first())
    }

    private fun hangUp() {
        signaling.forget()
        call?.imu?.dispose()
        call?.connection?.dispose()
        call = null
    }

    /** One WebRTC connection to a peer. */
    private inner class Call(val peerId: String) : PeerConnection.Observer, SdpObserver {
        val connection = factory.createPeerConnection(configuration(), this)!!
        val imu: DataChannel = connection.createDataChannel("imu", DataChannel.Init())
        var connected = false

        init {
            connection.addTrack(camera)
            connection.createOffer(this, MediaConstraints())
            beginAnewUnlessConnected()
        }

        fun takeAnswer(message: JSONObject) {
            val sdp = message.get("sdp") // an RTCSessionDescriptionInit, or the SDP alone
            val text = if (sdp is JSONObject) sdp.getString("sdp") else sdp.toString()
            connection.setRemoteDescription(
                this, SessionDescription(SessionDescription.Type.ANSWER, text)
            )
        }

        fun takeCandidate(message: JSONObject) {
            val init = message.optJSONObject("candidate") ?: return // null is their end
            val (mid, index) = Pair(init.optString("sdpMid"), init.optInt("sdpMLineIndex"))
            connection.addIceCandidate(IceCandidate(mid, index, init.getString("candidate")))
        }

        private fun beginAnewUnlessConnected() = signaling.post(10_000) {
            if (call === this && !connected) {
                hangUp()
                if (peers.remove(peerId)) peers.add(peerId) // somebody else first, if there is one
                callSomebody()
            }
        }

        private fun send(type: String, field: String, value: Any) = signaling.post {
            val message = JSONObject().put("type", type).put("target_id", peerId).put(field, value)
            if (call === this) signaling.send(message) // else it is over
        }

        override fun onCreateSuccess(offer: SessionDescription) {
            send("offer", "sdp", JSONObject().put("type", "offer").put("sdp", offer.description))
            connection.setLocalDescription(this, offer) // from then on there are candidates
        }

        override fun onIceCandidate(candidate: IceCandidate) = send(
            "ice_candidate", "candidate",
            JSONObject().put("candidate", candidate.sdp).put("sdpMid", candidate.sdpMid)
                .put("sdpMLineIndex", candidate.sdpMLineIndex)
        )

        override fun onIceGatheringChange(state: PeerConnection.IceGatheringState) {
            if (state == PeerConnection.IceGatheringState.COMPLETE) {
                send("ice_candidate", "candidate", JSONObject.NULL)
            }
        }

        override fun onIceConnectionChange(state: PeerConnection.IceConnectionState) =
            signaling.post {
                connected = state == PeerConnection.IceConnectionState.CONNECTED ||
                    state == PeerConnection.IceConnectionState.COMPLETED
                // DISCONNECTED may pass; FAILED does not.
                if (state == PeerConnection.IceConnectionState.FAILED) beginAnewUnlessConnected()
            }

        override fun onSetSuccess() = Unit
        override fun onCreateFailure(error: String) = println("No offer: $error")
        override fun onSetFailure(error: String) = println("The SDP was not taken: $error")
        override fun onSignalingChange(state: PeerConnection.SignalingState) = Unit
        override fun onIceConnectionReceivingChange(receiving: Boolean) = Unit
        override fun onIceCandidatesRemoved(candidates: Array<IceCandidate>) = Unit
        override fun onAddStream(stream: MediaStream) = Unit
        override fun onRemoveStream(stream: MediaStream) = Unit
        override fun onDataChannel(channel: DataChannel) = Unit
        override fun onRenegotiationNeeded() = Unit
        override fun onAddTrack(receiver: RtpReceiver, streams: Array<MediaStream>) = Unit
    }

    private fun configuration() = PeerConnection.RTCConfiguration(iceServers).apply {
        sdpSemantics = PeerConnection.SdpSemantics.UNIFIED_PLAN
    }

    /** From the form of RTCConfiguration.iceServers. */
    private fun servers(iceServers: JSONArray) = (0 until iceServers.length()).map { index ->
        val server = iceServers.getJSONObject(index)
        val urls = server.getJSONArray("urls")
        PeerConnection.IceServer.builder((0 until urls.length()).map { urls.getString(it) })
            .setUsername(server.optString("username"))
            .setPassword(server.optString("credential"))
            .createIceServer()
    }
}
