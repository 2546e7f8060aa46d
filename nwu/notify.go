// SPDX-License-Identifier: Apache-2.0

package nwu

// Private notify message types of TS 24.502 clause 9.2.4. Protocol ID 0 and no SPI, except NotifyUPSAInfo.
const (
	// NotifyCongestion is the error CONGESTION: access is refused because of congestion. No data.
	NotifyCongestion = 15500
	// NotifyNoResources is the error NO_RESOURCES_OVER_N3GPP: the UE cannot reserve resources for a child SA. No data.
	NotifyNoResources = 15501
	// Notify5GQoSInfo is 5G_QOS_INFO; see QoSInfo.
	Notify5GQoSInfo = 55501
	// NotifyNASIP4Address is NAS_IP4_ADDRESS, 4 octets.
	NotifyNASIP4Address = 55502
	// NotifyNASIP6Address is NAS_IP6_ADDRESS, 16 octets.
	NotifyNASIP6Address = 55503
	// NotifyUPIP4Address is UP_IP4_ADDRESS, 4 octets.
	NotifyUPIP4Address = 55504
	// NotifyUPIP6Address is UP_IP6_ADDRESS, 16 octets.
	NotifyUPIP6Address = 55505
	// NotifyNASTCPPort is NAS_TCP_PORT, 2 octets.
	NotifyNASTCPPort = 55506
	// NotifyBackoffTimer is N3GPP_BACKOFF_TIMER: length octet 1, GPRS timer 3.
	NotifyBackoffTimer = 55507
	// NotifyUPSAInfo is UP_SA_INFO: protocol 3 and the N3IWF's inbound SPI, no data.
	NotifyUPSAInfo = 55508
)

var notifyNames = map[uint16]string{
	NotifyCongestion: "CONGESTION", NotifyNoResources: "NO_RESOURCES_OVER_N3GPP", Notify5GQoSInfo: "5G_QOS_INFO",
	NotifyNASIP4Address: "NAS_IP4_ADDRESS", NotifyNASIP6Address: "NAS_IP6_ADDRESS", NotifyUPIP4Address: "UP_IP4_ADDRESS", NotifyUPIP6Address: "UP_IP6_ADDRESS",
	NotifyNASTCPPort: "NAS_TCP_PORT", NotifyBackoffTimer: "N3GPP_BACKOFF_TIMER", NotifyUPSAInfo: "UP_SA_INFO",
}

// NotifyName is what TS 24.502 calls a notify message type; empty for those of other standards.
func NotifyName(notify uint16) string { return notifyNames[notify] }
