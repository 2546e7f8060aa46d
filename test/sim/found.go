// SPDX-License-Identifier: Apache-2.0

package main

// found are seeds that have found a defect, and what it was. Every campaign runs them first.
var found = []uint64{
	11415,  // not one: without MOBIKE nothing corrects the source of an IKE_AUTH request that an attacker has changed
	12381,  // a responder's list, repeated from another of its addresses, said that the first one had gone, and both moved to and fro
	50422,  // Delete of the IKE SA while the peer's last IKE_FOLLOWUP_KE for a rekey of it was worked on
	54059,  // the Delete of a pair switched to the newest of its line, whose answer was lost
	60515,  // not one: no coverage for as long as the first Child SA may live
	63407,  // a rekey that waited after TEMPORARY_FAILURE kept its SPI when the pair had gone
	65569,  // a pair at the end of its hard lifetime was sent on until the Delete was answered
	105422, // a test of paths with a request in many fragments sent hundreds of datagrams at once
	119185, // not one: public-key work for a rekey by age at the moment of the last look
	401718, // the answer to an update that a later one had overtaken was taken for where the responder sees the initiator
	412601, // the secret of cookies changed between two copies of a request, and AUTH covered another than had been answered
	417406, // Quiesce ended a rekey of the IKE SA that was on its way, because an earlier one still waited
	422722, // not one: the answer to a rekey was lost until the hard lifetime of the pair
	424374, // not one: a UE that was being handed on at the time of a probe never looked at its NAT again
	427535, // a responder stayed at the address that it had fled to, which a NAT shut out, when the initiator's choice was back
	431861, // as 412601, with another group
	460434, // a pair that nobody wanted gave its SPI back before its Delete was sent, which then met another pair
	475851, // a recorded cookie of before a crash made the initiator send, and sign, one more request
	480139, // not one: a line that the other owner wanted deleted, of which the loser of two rekeys was left for a moment
	483040, // the same
}
