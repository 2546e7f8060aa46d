// SPDX-License-Identifier: Apache-2.0

package nas

import "fmt"

// Cause is a 5GMM cause (clause 9.11.3.2).
type Cause uint8

// 5GMM causes that the lab uses.
const (
	CauseIllegalUE                Cause = 3
	CauseIdentityUnknown          Cause = 9
	CauseImplicitlyDeregistered   Cause = 10
	CausePLMNNotAllowed           Cause = 11
	CauseMACFailure               Cause = 20
	CauseSynchFailure             Cause = 21
	CauseCongestion               Cause = 22
	CauseCapabilityMismatch       Cause = 23
	CauseSecurityModeRejected     Cause = 24
	CauseNon5GAuthentication      Cause = 26
	CauseNoSlices                 Cause = 62
	CauseKSIInUse                 Cause = 71
	CauseNon3GPPNotAllowed        Cause = 72
	CauseNotForwarded             Cause = 90
	CauseDNNNotSupported          Cause = 91
	CauseSemanticallyIncorrect    Cause = 95
	CauseInvalidMandatory         Cause = 96
	CauseMessageTypeUnknown       Cause = 97
	CauseMessageTypeNotCompatible Cause = 98
	CauseMessageNotCompatible     Cause = 101
	CauseProtocolError            Cause = 111
)

// SMCause is a 5GSM cause (clause 9.11.4.2).
type SMCause uint8

// 5GSM causes that the lab uses.
const (
	SMCauseInsufficientResources SMCause = 26
	SMCauseUnknownDNN            SMCause = 27
	SMCauseUnknownSessionType    SMCause = 28
	SMCauseRejected              SMCause = 31
	SMCauseOptionNotSupported    SMCause = 32
	SMCauseRegularDeactivation   SMCause = 36
	SMCauseNetworkFailure        SMCause = 38
	SMCauseReactivationRequested SMCause = 39
	SMCauseInvalidSession        SMCause = 43
	SMCausePTIMismatch           SMCause = 47
	SMCauseIPv4Only              SMCause = 50
	SMCauseSessionDoesNotExist   SMCause = 54
	SMCauseUnknownDNNInSlice     SMCause = 70
	SMCauseInvalidPTI            SMCause = 81
	SMCauseMessageTypeUnknown    SMCause = 97
	SMCauseProtocolError         SMCause = 111
)

// String returns the name of the cause in the standard.
func (c Cause) String() string { return causeName(causeNames[c], uint8(c)) }

// String returns the name of the cause in the standard.
func (c SMCause) String() string { return causeName(smCauseNames[c], uint8(c)) }

func causeName(name string, c uint8) string {
	if name == "" {
		return fmt.Sprintf("cause %d", c)
	}
	return name
}

var causeNames = map[Cause]string{
	3:   "Illegal UE",
	5:   "PEI not accepted",
	6:   "Illegal ME",
	7:   "5GS services not allowed",
	9:   "UE identity cannot be derived by the network",
	10:  "Implicitly de-registered",
	11:  "PLMN not allowed",
	12:  "Tracking area not allowed",
	13:  "Roaming not allowed in this tracking area",
	15:  "No suitable cells in tracking area",
	20:  "MAC failure",
	21:  "Synch failure",
	22:  "Congestion",
	23:  "UE security capabilities mismatch",
	24:  "Security mode rejected, unspecified",
	26:  "Non-5G authentication unacceptable",
	27:  "N1 mode not allowed",
	28:  "Restricted service area",
	31:  "Redirection to EPC required",
	43:  "LADN not available",
	62:  "No network slices available",
	65:  "Maximum number of PDU sessions reached",
	67:  "Insufficient resources for specific slice and DNN",
	69:  "Insufficient resources for specific slice",
	71:  "ngKSI already in use",
	72:  "Non-3GPP access to 5GCN not allowed",
	73:  "Serving network not authorized",
	74:  "Temporarily not authorized for this SNPN",
	75:  "Permanently not authorized for this SNPN",
	76:  "Not authorized for this CAG or authorized for CAG cells only",
	77:  "Wireline access area not allowed",
	90:  "Payload was not forwarded",
	91:  "DNN not supported or not subscribed in the slice",
	92:  "Insufficient user-plane resources for the PDU session",
	95:  "Semantically incorrect message",
	96:  "Invalid mandatory information",
	97:  "Message type non-existent or not implemented",
	98:  "Message type not compatible with the protocol state",
	99:  "Information element non-existent or not implemented",
	100: "Conditional IE error",
	101: "Message not compatible with the protocol state",
	111: "Protocol error, unspecified",
}

var smCauseNames = map[SMCause]string{
	8:   "Operator determined barring",
	26:  "Insufficient resources",
	27:  "Missing or unknown DNN",
	28:  "Unknown PDU session type",
	29:  "User authentication or authorization failed",
	31:  "Request rejected, unspecified",
	32:  "Service option not supported",
	33:  "Requested service option not subscribed",
	34:  "Service option temporarily out of order",
	35:  "PTI already in use",
	36:  "Regular deactivation",
	38:  "Network failure",
	39:  "Reactivation requested",
	41:  "Semantic error in the TFT operation",
	42:  "Syntactical error in the TFT operation",
	43:  "Invalid PDU session identity",
	44:  "Semantic errors in packet filter(s)",
	45:  "Syntactical error in packet filter(s)",
	46:  "Out of LADN service area",
	47:  "PTI mismatch",
	50:  "PDU session type IPv4 only allowed",
	51:  "PDU session type IPv6 only allowed",
	54:  "PDU session does not exist",
	57:  "PDU session type IPv4v6 only allowed",
	58:  "PDU session type Unstructured only allowed",
	59:  "Unsupported 5QI value",
	61:  "PDU session type Ethernet only allowed",
	67:  "Insufficient resources for specific slice and DNN",
	68:  "Not supported SSC mode",
	69:  "Insufficient resources for specific slice",
	70:  "Missing or unknown DNN in a slice",
	81:  "Invalid PTI value",
	82:  "Maximum data rate per UE for user-plane integrity protection is too low",
	83:  "Semantic error in the QoS operation",
	84:  "Syntactical error in the QoS operation",
	85:  "Invalid mapped EPS bearer identity",
	95:  "Semantically incorrect message",
	96:  "Invalid mandatory information",
	97:  "Message type non-existent or not implemented",
	98:  "Message type not compatible with the protocol state",
	99:  "Information element non-existent or not implemented",
	100: "Conditional IE error",
	101: "Message not compatible with the protocol state",
	111: "Protocol error, unspecified",
}
