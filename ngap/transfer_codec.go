// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"bytes"
	"fmt"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// Transfer is a container between SMF and NG-RAN node that the AMF relays unread: the content of an OCTET STRING
// in the PDU session lists.
type Transfer interface {
	PDUSessionResourceSetupRequestTransfer | PDUSessionResourceSetupResponseTransfer |
		PDUSessionResourceSetupUnsuccessfulTransfer |
		PDUSessionResourceModifyRequestTransfer | PDUSessionResourceModifyResponseTransfer |
		PDUSessionResourceModifyUnsuccessfulTransfer |
		PDUSessionResourceModifyIndicationTransfer | PDUSessionResourceModifyConfirmTransfer |
		PDUSessionResourceModifyIndicationUnsuccessfulTransfer |
		PDUSessionResourceNotifyTransfer | PDUSessionResourceNotifyReleasedTransfer |
		PDUSessionResourceReleaseCommandTransfer | PDUSessionResourceReleaseResponseTransfer
}

// EncodeTransfer returns the octets of a transfer container.
func EncodeTransfer[T Transfer](t *T) ([]byte, error) {
	b, err := aper.Encode(t)
	if err != nil {
		return nil, fmt.Errorf("ngap: encode %s: %w", transferName(t), err)
	}
	return b, nil
}

// DecodeTransfer decodes a transfer container. It copies b. The error is a *ProtocolError; it fails only the PDU
// session of the container, with the cause of CauseOf.
func DecodeTransfer[T Transfer](b []byte) (*T, error) {
	t := new(T)
	issues, err := aper.Decode(bytes.Clone(b), t)
	if err != nil {
		return nil, &ProtocolError{Cause: CauseProtocolTransferSyntaxError.Cause(), Err: err}
	}
	if cause, list, faulty := fault(issues); faulty {
		return t, &ProtocolError{Cause: cause, Diagnostics: &CriticalityDiagnostics{IEsCriticalityDiagnostics: list}}
	}
	return t, nil
}
