// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"encoding/binary"
	"fmt"
	"log/slog"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/nwu"
)

// rebindFlows takes a change of what a child SA carries: UP_SA_INFO names it by the N3IWF's inbound SPI, 5G_QOS_INFO is the whole new binding
// (TS 24.502 7.6).
func (u *UE) rebindFlows(notifies []*message.Notify) {
	var spi uint32
	var info *nwu.QoSInfo
	for _, n := range notifies {
		switch n.Type {
		case nwu.NotifyUPSAInfo:
			if n.Protocol == message.ProtocolESP && len(n.SPI) == 4 {
				spi = binary.BigEndian.Uint32(n.SPI)
			}
		case nwu.Notify5GQoSInfo:
			q, err := nwu.ParseQoSInfo(n.Data)
			if err != nil {
				u.log.Warn("5G_QOS_INFO", slog.Any("error", err))
				return
			}
			info = &q
		}
	}
	if spi == 0 || info == nil {
		u.log.Debug("INFORMATIONAL", slog.Int("notifies", len(notifies)))
		return
	}
	for _, c := range u.children {
		if c.info == nil || c.current.OutboundSPI != spi {
			continue
		}
		h, err := u.dataPlane.Handle(c.id)
		if err != nil || info.PDUSessionID != c.info.PDUSessionID {
			u.log.Warn("change of a child SA ignored", slog.Any("error", err))
			return
		}
		c.info = info
		u.bindFlows(c, h)
		u.o.Step(fmt.Sprintf("child SA carries QFIs %v", info.QFIs))
		return
	}
	u.log.Warn("change of an unknown child SA", slog.Uint64("spi", uint64(spi)))
}

// acceptInfo refuses changes of child SAs as the options say.
func (u *UE) acceptInfo(_ *ikev2.Session, notifies []*message.Notify) message.NotifyType {
	for _, n := range notifies {
		if n.Type == nwu.Notify5GQoSInfo && u.o.RefuseChange != nil {
			if info, err := nwu.ParseQoSInfo(n.Data); err == nil {
				return u.o.RefuseChange(&info)
			}
		}
	}
	return 0
}

// mark is the DSCP that the N3IWF wants on the packets of a child SA, 0 for none.
func (c *child) mark() uint8 {
	if c.info == nil || c.info.DSCP == nil {
		return 0
	}
	return *c.info.DSCP
}
