package vislam

import kotlin.system.exitProcess
import org.json.JSONObject
import org.webrtc.PeerConnectionFactory
import org.webrtc.VideoTrack

/** A phone whose IMU is its input: a sample a line. */
fun main(arguments: Array<String>) {
    val (url, clientId, roomId) = arguments
    val phone = PhoneCall(PeerConnectionFactory(), VideoTrack(), url, clientId, roomId)
    generateSequence(::readLine).forEach { phone.sendSample(JSONObject(it)) }
    phone.close()
    exitProcess(0)
}
