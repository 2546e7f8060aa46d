// SPDX-License-Identifier: Apache-2.0

// Package nwu holds what TS 24.502 adds to IKEv2 between a UE and an N3IWF: the private notifies and the coding of 5G_QOS_INFO, which binds QoS
// flows of a PDU session to a child SA. Its folders hold the rest of NWu: eap5g the EAP method, nas the transport of NAS over TCP, ipsec
// the data plane. The package knows no sockets and serves both ends.
package nwu
