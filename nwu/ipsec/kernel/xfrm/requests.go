// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// AddState adds a state; ErrExists when its ID is taken.
func (c *Conn) AddState(s *State) error {
	if err := c.do(msgNewSA, unix.NLM_F_CREATE|unix.NLM_F_EXCL, s.encode); err != nil {
		return fmt.Errorf("add %s: %w", s.ID, err)
	}
	return nil
}

// UpdateState changes what the kernel can change of a state in place: the ports of its encapsulation, output mark and limits. Sequence state and
// addresses stay as they are, whatever s has. UDP encapsulation can be neither added nor removed.
func (c *Conn) UpdateState(s *State) error {
	u := *s
	u.Replay = Replay{}
	u.ESN = false // belongs to the replay state
	if err := c.do(msgUpdSA, 0, u.encode); err != nil {
		return fmt.Errorf("update %s: %w", s.ID, err)
	}
	return nil
}

// DeleteState ends a state.
func (c *Conn) DeleteState(id ID) error {
	if err := c.do(msgDelSA, 0, id.saID); err != nil {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	return nil
}

// GetState reads a state. Its keys may be blank where the kernel is locked down.
func (c *Conn) GetState(id ID) (s *State, err error) {
	err = c.request(msgGetSA, unix.NLM_F_ACK, id.saID, func(kind uint16, body []byte) (err error) {
		if kind == msgNewSA {
			s, err = parseState(body)
		}
		return err
	})
	if err == nil && s == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	return s, nil
}

// SetReplay replaces the sequence state of a state. The window must stay what it was.
func (c *Conn) SetReplay(id ID, r Replay) error {
	err := c.do(msgNewAE, unix.NLM_F_REPLACE, func(b []byte) []byte {
		p := id.bareID(make([]byte, 0, sizeAEventID))
		b = append(b, p[:sizeAEventID]...)
		return id.Mark.append(r.append(b), attrMark)
	})
	if err != nil {
		return fmt.Errorf("set the sequence numbers of %s: %w", id, err)
	}
	return nil
}

// States gives all states that keep wants.
func (c *Conn) States(keep func(*State) bool) (list []*State, err error) {
	empty := func(b []byte) []byte { return b }
	err = c.request(msgGetSA, unix.NLM_F_DUMP, empty, func(kind uint16, body []byte) error {
		if kind != msgNewSA {
			return nil
		}
		s, err := parseState(body)
		if err == nil && keep(s) {
			list = append(list, s)
		}
		return err
	})
	return list, err
}

// AddPolicy adds a policy; ErrExists when there is one of the same ID.
func (c *Conn) AddPolicy(p *Policy) error {
	if err := c.do(msgNewPolicy, unix.NLM_F_CREATE|unix.NLM_F_EXCL, p.encode); err != nil {
		return fmt.Errorf("add policy %s: %w", p.PolicyID, err)
	}
	return nil
}

// UpdatePolicy replaces the policy of the same ID in one step, or adds it.
func (c *Conn) UpdatePolicy(p *Policy) error {
	if err := c.do(msgUpdPolicy, unix.NLM_F_REPLACE, p.encode); err != nil {
		return fmt.Errorf("update policy %s: %w", p.PolicyID, err)
	}
	return nil
}

// DeletePolicy ends a policy.
func (c *Conn) DeletePolicy(id PolicyID) error {
	if err := c.do(msgDelPolicy, 0, id.encode); err != nil {
		return fmt.Errorf("delete policy %s: %w", id, err)
	}
	return nil
}

// Policies gives all policies that keep wants.
func (c *Conn) Policies(keep func(*Policy) bool) (list []*Policy, err error) {
	empty := func(b []byte) []byte { return b }
	err = c.request(msgGetPolicy, unix.NLM_F_DUMP, empty, func(kind uint16, body []byte) error {
		if kind != msgNewPolicy {
			return nil
		}
		p, err := parsePolicy(body)
		if err == nil && keep(p) {
			list = append(list, p)
		}
		return err
	})
	return list, err
}

// sizeMigrateState is xfrm_user_migrate_state of Linux 7.2: id, two addresses, mark, selector, reqid, flags, family.
const sizeMigrateState = sizeSAID + 32 + 8 + sizeSelector + 12

// ProbeMigrateState tells whether the kernel can move one state to other addresses with its sequence state (XFRM_MSG_MIGRATE_STATE, Linux 7.2 with
// CONFIG_XFRM_MIGRATE): it is asked to move one that does not exist.
func (c *Conn) ProbeMigrateState() bool {
	nowhere := ID{Dst: netip.IPv4Unspecified(), SPI: 1}
	err := c.do(msgMigrateState, 0, func(b []byte) []byte {
		p := nowhere.bareID(make([]byte, 0, sizeMigrateState))[:sizeMigrateState]
		host.PutUint16(p[sizeMigrateState-4:], familyIPv4)
		return append(b, p...)
	})
	return errors.Is(err, ErrNotFound)
}

// String gives the ID as "SPI 12345678 to ADDRESS".
func (id ID) String() string { return fmt.Sprintf("SPI %08x to %s", id.SPI, id.Dst) }

// String names the policy by direction and prefixes.
func (id PolicyID) String() string {
	return fmt.Sprintf("%s %s to %s", [...]string{"in", "out", "forward"}[min(id.Direction, 2)], id.Src, id.Dst)
}
