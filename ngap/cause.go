// SPDX-License-Identifier: Apache-2.0

package ngap

import "fmt"

// Cause returns v as a Cause of its group.
func (v CauseRadioNetwork) Cause() Cause { return Cause{RadioNetwork: &v} }

// Cause returns v as a Cause of its group.
func (v CauseTransport) Cause() Cause { return Cause{Transport: &v} }

// Cause returns v as a Cause of its group.
func (v CauseNas) Cause() Cause { return Cause{Nas: &v} }

// Cause returns v as a Cause of its group.
func (v CauseProtocol) Cause() Cause { return Cause{Protocol: &v} }

// Cause returns v as a Cause of its group.
func (v CauseMisc) Cause() Cause { return Cause{Misc: &v} }

// Is says whether c is the cause v, one of the constants CauseRadioNetwork..., CauseTransport... and so on.
func (c Cause) Is(v interface{ Cause() Cause }) bool {
	return c.ChoiceExtensions == nil && c.String() == v.Cause().String()
}

// String returns group and value, such as "radioNetwork/user-inactivity".
func (c Cause) String() string {
	switch {
	case c.RadioNetwork != nil:
		return "radioNetwork/" + c.RadioNetwork.String()
	case c.Transport != nil:
		return "transport/" + c.Transport.String()
	case c.Nas != nil:
		return "nas/" + c.Nas.String()
	case c.Protocol != nil:
		return "protocol/" + c.Protocol.String()
	case c.Misc != nil:
		return "misc/" + c.Misc.String()
	case c.ChoiceExtensions != nil:
		return fmt.Sprintf("extension/%v", *c.ChoiceExtensions)
	}
	return "none"
}
