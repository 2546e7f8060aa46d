// SPDX-License-Identifier: Apache-2.0

package nas_test

// plainVectors are messages with published meaning: every one decodes to the named type and encodes again to the
// same octets.
var plainVectors = []struct{ name, hex string }{
	{"RegistrationRequest", "7e004179000d0102f839f0ff000000000000302e02f070"},
	{"RegistrationRequest_full(in container)", "7e004179000d0102f839f0ff000000000000301001072e02f0702f050401010203"},
	{"IdentityRequest", "7e005b01"},
	{"IdentityResponse", "7e005c000d0102f839f0ff00000000000030"},
	{"AuthenticationRequest", "7e00560002000021000102030405060708090a0b0c0d0e0f20106fbfa38003c1800041ecbb46a59b6ea4"},
	{"AuthenticationResponse", "7e00572d100022810ea40f5d25b8b40d868db4307a"},
	{"AuthenticationFailure_sync", "7e005915300e3810e6cdfe09a739facdf82ba154"},
	{"AuthenticationFailure_mac", "7e005914"},
	{"AuthenticationReject", "7e0058"},
	{"SecurityModeCommand", "7e005d220002f070e1360102"},
	{"SecurityModeComplete", "7e005e7700094573806121856151f17100217e004179000d0102f839f0ff000000000000301001072e02f0702f050401010203"},
	{"SecurityModeReject", "7e005f17"},
	{"RegistrationAccept", "7e0042010277000bf202f839cafe000000000154070002f83900000115050401010203210201005d012c"},
	{"RegistrationComplete", "7e0043"},
	{"RegistrationReject", "7e00440b"},
	{"5GSM EstRequest", "2e0101c1ffff91a17b000780000a00000d00"},
	{"ULNASTransport(EstRequest)", "7e00670100122e0101c1ffff91a17b000780000a00000d00120181220401010203250908696e7465726e6574"},
	{"5GSM EstAccept", "2e0101c211000901000631310101ff01060600640600642905010a3c00012204010102037900060120410101097b000880000d0408080808250908696e7465726e6574"},
	{"DLNASTransport(EstAccept)", "7e00680100432e0101c211000901000631310101ff01060600640600642905010a3c00012204010102037900060120410101097b000880000d0408080808250908696e7465726e65741201"},
	{"5GSM EstReject", "2e0101c31b"},
	{"DLNASTransport(not forwarded)", "7e00680100122e0101c1ffff91a17b000780000a00000d001201585a"},
	{"5GSM ModRequest", "2e0102c9280100550010"},
	{"5GSM ModCommand", "2e0102cb2a060600c80600c87a001102000e2132091008080808ffffffff0a02790006022041010105"},
	{"5GSM ModComplete", "2e0102cc"},
	{"5GSM ModCommandReject", "2e0102cd2c"},
	{"5GSM ModReject", "2e0102ca20"},
	{"5GSM RelRequest", "2e0103d15924"},
	{"5GSM RelReject", "2e0103d22b"},
	{"5GSM RelCommand", "2e0103d324"},
	{"5GSM RelComplete", "2e0103d4"},
	{"5GSM Status", "2e0103d62b"},
	{"ULNASTransport(RelRequest)", "7e00670100062e0103d159241201"},
	{"DLNASTransport(RelCommand)", "7e00680100052e0103d3241201"},
	{"ULNASTransport(RelComplete)", "7e00670100042e0103d41201"},
	{"DeregistrationRequest(UE orig, normal, non-3GPP)", "7e004502000bf202f839cafe0000000001"},
	{"DeregistrationAccept(UE orig)", "7e0046"},
	{"DeregistrationRequest(NW orig, non-3GPP)", "7e0047025807"},
	{"DeregistrationAccept(NW orig)", "7e0048"},
	{"ServiceRequest(full, connected mode or container content)", "7e004c100007f4fe00000000014002020050020200"},
	{"ServiceRequest(initial, container in clear)", "7e004c100007f4fe00000000017100157e004c100007f4fe00000000014002020050020200"},
	{"ServiceAccept", "7e004e5002020026020000"},
	{"ServiceReject", "7e004d0a"},
	{"ConfigurationUpdateCommand", "7e0054d1430786ecb0b8761e03450483ecb01846004752107281545300490100"},
	{"ConfigurationUpdateComplete", "7e0055"},
	{"5GMMStatus", "7e006461"},
	{"Notification", "7e006502"},
	{"NotificationResponse", "7e006650020200"},
	{"RegistrationRequest(SUCI profile A)", "7e00417900350102f839f0ff0101b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457dcb0315a4d6e1174a91a624bfdc2e02f070"},
}

// protectedVectors are the messages of one registration, protected with NEA2 and NIA2.
var protectedVectors = []struct {
	name   string
	header uint8
	count  uint32
	up     bool
	hex    string
}{
	{"SecurityModeCommand", 3, 0, false, "7e032f914de9007e005d220002f070e1360102"},
	{"SecurityModeComplete", 4, 0, true, "7e042e268a75000c3082fe155790bde3f6ccb7c6e3f5965209e9352a970496816e27559eec5279b6040f70756b5779253f67356171437f7a9a05"},
	{"RegistrationAccept", 2, 1, false, "7e02b681163601de70942bb904de5986b5f583094a0596e9779a317c27573bd39176ef576d3aee9247c4ee6a18190b7138"},
	{"RegistrationComplete", 2, 1, true, "7e0262ab85dd017ab9f2"},
	{"ULNASTransport(EstRequest)", 2, 2, true, "7e0295b06b8702e3f6b89c932b8503e9633fcd83e2588545c8066cbfc6a906ff53758a13642e745d172ec585541e9f753d63a2"},
	{"DLNASTransport(EstAccept)", 2, 2, false, "7e026abac93b02bd004cedeebcfb6dcaf79c6181a43acd2da25c21f87d966f9969e8ffe8180e4819575742a736f6585e61800d1e729002e980151845e860a1b5ae484d16214b59505a4e293d57c2e9562414"},
	{"DLNASTransport(RelCommand)", 2, 3, false, "7e02c5d06b3a0379f1aef0b6aed00b88e781e5ff"},
	{"ULNASTransport(RelComplete)", 2, 3, true, "7e02f4a9bf0a03807d5eb1db3f5019c774d77d"},
	{"DeregistrationRequest", 2, 4, true, "7e0255484c8004c230b29a985a7f6591f20661937a332b21"},
	{"DeregistrationAccept", 2, 4, false, "7e02c118844f0488e948"},
	{"ServiceRequest(initial)", 1, 5, true, "7e015edae70e057e004c100007f4fe00000000017100155b7202afa682fa479e8edfe76efad65d2c38de651f"},
	{"ServiceAccept", 2, 5, false, "7e021f3049d9057211851c8b1b95604ab151"},
}
