package org.webrtc

import java.nio.ByteBuffer
import java.util.concurrent.Executors

// What examples/kotlin/PhoneCall.kt uses of org.webrtc, for machines that are no Android: a peer
// connection that prints what it is told, and offers as if it were one.

class MediaConstraints

class MediaStream

class RtpReceiver

class VideoTrack

class IceCandidate(val sdpMid: String, val sdpMLineIndex: Int, val sdp: String)

class SessionDescription(val type: Type, val description: String) {
    enum class Type { OFFER, ANSWER }
}

interface SdpObserver {
    fun onCreateSuccess(offer: SessionDescription)
    fun onSetSuccess()
    fun onCreateFailure(error: String)
    fun onSetFailure(error: String)
}

class DataChannel(private val label: String) {
    class Init
    class Buffer(val data: ByteBuffer, val binary: Boolean)

    fun send(buffer: Buffer) = println("$label sends ${String(buffer.data.array())}")
    fun dispose() = Unit
}

class PeerConnectionFactory {
    fun createPeerConnection(
        configuration: PeerConnection.RTCConfiguration,
        observer: PeerConnection.Observer
    ): PeerConnection? = PeerConnection(configuration, observer)
}

class PeerConnection(configuration: RTCConfiguration, private val observer: Observer) {
    enum class SignalingState { STABLE }
    enum class IceConnectionState { CONNECTED, COMPLETED, FAILED }
    enum class IceGatheringState { COMPLETE }
    enum class SdpSemantics { UNIFIED_PLAN }

    class RTCConfiguration(val servers: List<IceServer>) {
        var sdpSemantics: SdpSemantics? = null
    }

    class IceServer(private val text: String) {
        companion object {
            fun builder(urls: List<String>) = IceServer("$urls")
        }

        fun setUsername(name: String) = IceServer("$text $name")
        fun setPassword(password: String) = IceServer("$text ${password.length}")
        fun createIceServer() = this
        override fun toString() = text
    }

    interface Observer {
        fun onSignalingChange(state: SignalingState)
        fun onIceConnectionChange(state: IceConnectionState)
        fun onIceConnectionReceivingChange(receiving: Boolean)
        fun onIceGatheringChange(state: IceGatheringState)
        fun onIceCandidate(candidate: IceCandidate)
        fun onIceCandidatesRemoved(candidates: Array<IceCandidate>)
        fun onAddStream(stream: MediaStream)
        fun onRemoveStream(stream: MediaStream)
        fun onDataChannel(channel: DataChannel)
        fun onRenegotiationNeeded()
        fun onAddTrack(receiver: RtpReceiver, streams: Array<MediaStream>)
    }

    private val thread = Executors.newSingleThreadExecutor { work ->
        Thread(work).apply { isDaemon = true }
    }

    init {
        println("ICE servers of the call: ${configuration.servers}")
    }

    fun createDataChannel(label: String, @Suppress("UNUSED_PARAMETER") init: DataChannel.Init) =
        DataChannel(label)

    fun addTrack(@Suppress("UNUSED_PARAMETER") track: VideoTrack) = Unit

    fun createOffer(then: SdpObserver, @Suppress("UNUSED_PARAMETER") of: MediaConstraints) =
        thread.execute {
            then.onCreateSuccess(SessionDescription(SessionDescription.Type.OFFER, "v=0 offered"))
        }

    fun setLocalDescription(then: SdpObserver, offer: SessionDescription) = thread.execute {
        println("local ${offer.type} ${offer.description}")
        then.onSetSuccess()
        observer.onIceCandidate(IceCandidate("0", 0, "candidate:1 1 udp 1 192.0.2.9 9 typ host"))
        observer.onIceGatheringChange(IceGatheringState.COMPLETE)
    }

    fun setRemoteDescription(then: SdpObserver, answer: SessionDescription) = thread.execute {
        println("remote ${answer.type} ${answer.description}")
        then.onSetSuccess()
    }

    fun addIceCandidate(candidate: IceCandidate) = thread.execute {
        println("remote candidate ${candidate.sdp} of ${candidate.sdpMid}")
        observer.onIceConnectionChange(IceConnectionState.CONNECTED)
    }

    fun dispose() = println("disposed")
}
