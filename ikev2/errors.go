// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"errors"
	"fmt"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Reasons for the end of a session, and for a request that is not answered. Test with errors.Is.
var (
	ErrDeleted        = errors.New("ikev2: the IKE SA was deleted")
	ErrTimeout        = errors.New("ikev2: the peer does not answer any more")
	ErrHalfOpenTime   = errors.New("ikev2: the peer did not finish authentication in time")
	ErrAuthentication = errors.New("ikev2: authentication failed")
	ErrPPK            = errors.New("ikev2: a post-quantum preshared key is mandatory here, and the peer does not use one")
	ErrEAPFailure     = errors.New("ikev2: EAP failed")
	ErrCookie2        = errors.New("ikev2: the peer answered COOKIE2 with another value")
	ErrSyntax         = errors.New("ikev2: a protected message is malformed")
	ErrMessageIDs     = errors.New("ikev2: message IDs are used up")
	ErrLifetime       = errors.New("ikev2: the IKE SA reached its hard lifetime")
	ErrBusy           = errors.New("ikev2: the peer went on answering TEMPORARY_FAILURE")

	ErrPeerRestarted = errors.New("ikev2: the peer has restarted and lost the IKE SA")
	ErrRedirected    = errors.New("ikev2: the peer sends us to another gateway")
	ErrResync        = errors.New("ikev2: a synchronisation of message IDs came between a request and its answer")
	ErrHalfOpenLimit = errors.New("ikev2: too many half-open IKE SAs")
	ErrNotInit       = errors.New("ikev2: not an IKE_SA_INIT request")
	ErrState         = errors.New("ikev2: not possible in the session's present state")
)

// NotifyError is an error notify (type below 16384, RFC 7296 3.10.1) received from the peer, or to be sent to it.
type NotifyError struct {
	Type message.NotifyType
	Data []byte
}

func (e *NotifyError) Error() string { return fmt.Sprintf("ikev2: %v", e.Type) }

func received(n *message.Notify) *NotifyError {
	return &NotifyError{Type: n.Type, Data: append([]byte(nil), n.Data...)}
}
