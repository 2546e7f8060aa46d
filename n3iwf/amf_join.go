// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// The nodes of a cluster are one NG-RAN node with several TNL associations (TS 23.501 5.21.1). NG Setup is for the first association alone, as it erases
// all UE contexts at both ends (TS 38.413 8.7.1.1); every further one begins with RAN CONFIGURATION UPDATE that names the node (8.7.2.2). What the AMF
// said in NG Setup, the nodes tell each other.

// joinTime is how long the AMF may take to answer, and the other nodes to tell what they know of it.
const joinTime = 3 * time.Second

// amfNews is what an AMF said in NG Setup.
type amfNews struct {
	Addresses []netip.Addr
	Response  []byte // NG SETUP RESPONSE
}

// errNotJoined says that the AMF has no NG interface with this N3IWF: NG Setup is next.
var errNotJoined = errors.New("the AMF knows no association of this N3IWF")

// join makes the association a further one of the node. The result is what the AMF said to the node that did NG Setup.
func (a *amf) join(ctx context.Context, association transport.Association) (*ngap.NGSetupResponse, error) {
	if err := a.introduce(ctx, association); err != nil {
		return nil, err
	}
	return a.learned(ctx), nil
}

// introduce says in RAN CONFIGURATION UPDATE which node a further association belongs to, and waits for the acknowledgement (TS 38.413 8.7.2.2). Its
// error is errNotJoined when the AMF has refused.
func (a *amf) introduce(ctx context.Context, association transport.Association) error {
	s := a.nf.served.Load()
	update := &ngap.RANConfigurationUpdate{RANNodeName: s.name, SupportedTAList: s.tas, GlobalRANNodeID: &a.nf.nodeID}
	request, err := ngap.Encode(update)
	if err != nil {
		return fmt.Errorf("RAN CONFIGURATION UPDATE: %w", err)
	}
	if err := association.Send(ctx, transport.NonUEStream, request); err != nil {
		return err
	}
	a.nf.counters.countSent(update)
	waiting, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	for {
		m, err := association.Receive(waiting)
		if err != nil {
			if waiting.Err() != nil && ctx.Err() == nil {
				return fmt.Errorf("%w: no answer to RAN CONFIGURATION UPDATE", errNotJoined)
			}
			return err
		}
		pdu, err := ngap.Decode(m.Data)
		if err != nil {
			return fmt.Errorf("answer to RAN CONFIGURATION UPDATE: %w", err)
		}
		a.nf.counters.countReceived(pdu)
		switch msg := pdu.Message.(type) {
		case *ngap.RANConfigurationUpdateAcknowledge:
			return nil
		case *ngap.RANConfigurationUpdateFailure:
			return fmt.Errorf("%w: %s", errNotJoined, msg.Cause)
		case *ngap.ErrorIndication:
			return fmt.Errorf("%w: %s", errNotJoined, pdu)
		default:
			a.log.Warn("message before the association has joined; dropped", slog.String("procedure", pdu.ProcedureCode.String()))
		}
	}
}

// learned waits for what another node knows of the AMF. Without that the AMF is taken for one that serves all that is configured here.
func (a *amf) learned(ctx context.Context) *ngap.NGSetupResponse {
	for until := time.Now().Add(joinTime); ; {
		if r := a.nf.nodes.knownAMF(a.cfg.Addresses, len(a.nf.amfs.get()) == 1); r != nil {
			return r
		}
		if time.Now().After(until) {
			a.log.Warn("no other node tells what this AMF serves; all configured PLMNs are assumed")
			r := &ngap.NGSetupResponse{RelativeAMFCapacity: usualCapacity}
			for _, p := range a.nf.served.Load().plmns {
				r.PLMNSupportList = append(r.PLMNSupportList, ngap.PLMNSupportItem{PLMNIdentity: p})
			}
			return r
		}
		select {
		case <-ctx.Done():
			return &ngap.NGSetupResponse{}
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// knownAMF gives what another node has told of the AMF with one of the addresses; of the only AMF that there is, also when it has others.
func (n *nodes) knownAMF(addresses []netip.Addr, only bool) *ngap.NGSetupResponse {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var found *amfNews
	for _, news := range n.amfs {
		if slices.ContainsFunc(news.Addresses, func(a netip.Addr) bool { return slices.Contains(addresses, a) }) || only && len(n.amfs) == 1 {
			found = &news
			break
		}
	}
	if found == nil {
		return nil
	}
	pdu, err := ngap.Decode(found.Response)
	if err != nil {
		return nil // checked when it came
	}
	r, _ := pdu.Message.(*ngap.NGSetupResponse)
	return r
}

// ownAMFs are the news of this node's own connections.
func (n *nodes) ownAMFs() (list []amfNews) {
	for _, a := range n.nf.amfs.get() {
		if ng := a.ng.Load(); ng != nil && ng.response != nil {
			list = append(list, amfNews{a.cfg.Addresses, ng.response})
		}
	}
	return list
}

func (n *nodes) tell(node int, news amfNews) {
	b, err := json.Marshal(news)
	if err == nil && !n.link.Offer(node, nodeAMF, b) {
		err = errors.New("the link is full or down")
	}
	if err != nil {
		n.nf.log.Warn("node not told about an AMF", slog.Int("node", node), slog.Any("error", err))
	}
}

// spread tells all nodes about a new connection.
func (n *nodes) spread(a *amf, ng *ngConnection) {
	if n.link == nil || ng.response == nil {
		return
	}
	for _, node := range n.list() {
		n.tell(node, amfNews{a.cfg.Addresses, ng.response})
	}
}

func (n *nodes) takeAMF(body []byte) error {
	var news amfNews
	if err := json.Unmarshal(body, &news); err != nil {
		return err
	}
	pdu, err := ngap.Decode(news.Response)
	if err != nil {
		return err
	}
	r, ok := pdu.Message.(*ngap.NGSetupResponse)
	if !ok || len(news.Addresses) > 8 {
		return errNodeMessage
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.amfs[string(r.AMFName)]; known || len(n.amfs) < 64 {
		n.amfs[string(r.AMFName)] = news
	}
	return nil
}

// connectionTo gives this node's connection with an AMF, by its name, nil when there is none.
func (nf *N3IWF) connectionTo(name string) *ngConnection {
	for _, a := range nf.amfs.get() {
		if ng := a.ng.Load(); ng != nil && (ng.name() == name || ng.name() == "" && len(nf.amfs.get()) == 1) {
			return ng
		}
	}
	return nil
}
