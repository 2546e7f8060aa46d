// SPDX-License-Identifier: Apache-2.0

package n3iwf_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// traffic is what the browser has asked the N3IWF for.
type traffic struct {
	mu     sync.Mutex
	asked  []string
	octets float64 // on the wire, of answers that are complete
}

// take gives what was asked since the last call.
func (a *traffic) take() (asked []string, octets float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked, octets = a.asked, a.octets
	a.asked, a.octets = nil, 0
	return asked, octets
}

// standing opens a network function with UEs and its API on loopback addresses.
func standing(t *testing.T, ues int) (nf *n3iwf.N3IWF, at string) {
	t.Helper()
	nf, server := open(t, onLoopback(t), func(nf *n3iwf.N3IWF) { n3iwf.Populate(nf, ues) })
	return nf, server.Addr("listen").String()
}

// onLoopback is a configuration whose management API asks for a token.
func onLoopback(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	n3iwf.CertificateFiles(t, dir, "n3iwf.example.org", time.Now().Add(time.Hour))
	var ports []any
	for range 3 {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		ports = append(ports, c.LocalAddr().(*net.UDPAddr).Port)
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.Close())
	}
	text := fmt.Sprintf(`n3iwf: {supportedTAs: [{tac: "000001", plmns: [{plmn: {mcc: "001", mnc: "01"}}]}]}
nwu: {addresses: [127.0.0.1], ikePort: %d, nattPort: %d, certificate: {chain: chain.pem, key: key.pem}, uePools: {ipv4: [10.60.0.0/16]}}
n2: {transport: udp, amfs: [{addresses: [127.0.0.1]}]}
n3: {addresses: [127.0.0.1], port: %d}
management: {socket: "", listen: "127.0.0.1:0", token: a token of the operator}
`, ports...)
	cfg, err := config.Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(strings.Replace(text, "127.0.0.1:0", "127.0.0.1:1", 1)))
	require.NoError(t, err)
	cfg.Management.Listen = "127.0.0.1:0"
	return cfg
}

// open starts a network function, after prepare, with its API.
func open(t *testing.T, cfg *config.Config, prepare func(*n3iwf.N3IWF)) (*n3iwf.N3IWF, *api.Server) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	nf, err := n3iwf.New(cfg, log)
	require.NoError(t, err)
	prepare(nf)
	server, err := api.New(nf, api.Options{Version: "test", Log: log})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- nf.Serve(ctx) }()
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		nf.Empty(t)
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
	})
	return nf, server
}

// TestStatusPageWithManyUEs: the page of an N3IWF with 10,000 UEs, in a real browser. Whatever the page does, the N3IWF sends it what is on the
// screen and no more, and a storm of events makes it ask a few times a second at most.
func TestStatusPageWithManyUEs(t *testing.T) {
	const ues, rows = 10000, 25
	chromium := testenv.NeedTool(t, "chromium", "chromium")
	nf, at := standing(t, ues)

	limit, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true))
	ctx, stop := chromedp.NewExecAllocator(limit, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	var got traffic
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		got.mu.Lock()
		defer got.mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(ev.Request.URL); err == nil && u.Host == at {
				got.asked = append(got.asked, u.RequestURI())
			}
		case *network.EventLoadingFinished:
			got.octets += ev.EncodedDataLength
		}
	}))
	shows := func(what, expression string) {
		t.Helper()
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(30*time.Second)))
		if err != nil {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			require.NoError(t, err, "%s; the page says:\n%s", what, text)
		}
	}
	// lists are the queries of the list of UEs among what was asked; each names its page.
	lists := func(asked []string) (list []url.Values) {
		for _, a := range asked {
			if u, err := url.Parse(a); err == nil && u.Path == "/api/v1/ues" {
				require.Equal(t, fmt.Sprint(rows), u.Query().Get("limit"))
				list = append(list, u.Query())
			}
		}
		return list
	}
	last := func(asked []string) url.Values {
		t.Helper()
		list := lists(asked)
		require.NotEmpty(t, list)
		return list[len(list)-1]
	}
	const first = `document.querySelector("#ues tbody tr td").textContent`

	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("http://"+at+"/"),
		chromedp.WaitVisible("#login"), chromedp.SetValue("#token", "a token of the operator"), chromedp.Click("#login button")))
	shows("all are counted, and a page is shown",
		`document.getElementById("count").textContent === "10,000" && document.querySelectorAll("#ues tbody tr").length === 25`)
	shows("which ones", `document.getElementById("range").textContent === "1–25" && `+first+` === "0"`)
	asked, octets := got.take()
	require.LessOrEqual(t, len(asked), 20, "to open the page: %v", asked)
	require.Less(t, octets, 100e3, "octets to open the page")
	require.Less(t, octets, float64(ues*20), "not the whole list")

	require.NoError(t, chromedp.Do(ctx, chromedp.Click("#next")))
	shows("the next page", `document.getElementById("range").textContent === "26–50" && `+first+` === "25"`)
	asked, _ = got.take()
	require.Equal(t, "25", last(asked).Get("offset"))

	_, err = chromedp.Run(ctx, chromedp.Evaluate[bool](`(f => { f.value = "198.51.39.15:"; return f.dispatchEvent(new Event("input")) })(document.getElementById("filter"))`))
	require.NoError(t, err)
	shows("the one UE with that address, which is the last of all",
		`document.querySelectorAll("#ues tbody tr").length === 1 && `+first+` === "9,999" && document.getElementById("count").textContent === "1 of 10,000"`)
	asked, _ = got.take()
	require.Equal(t, "198.51.39.15:", last(asked).Get("filter"), "the server looks for it")

	// A storm: every UE moves at once.
	got.take()
	start := time.Now()
	for i := range ues {
		nf.Publish(n3iwf.LiveEvent{Kind: n3iwf.LiveMoved, UE: uint32(i), From: "198.51.100.1:4500", To: "203.0.113.1:4500"})
	}
	shows("as many as fit",
		`document.querySelectorAll("#log li").length > 100 && document.querySelectorAll("#log li").length <= 200`)
	took := time.Since(start)
	asked, octets = got.take()
	looks := took.Seconds()/0.4 + 2
	require.LessOrEqual(t, float64(len(lists(asked))), looks, "looks at the list in %v", took)
	require.LessOrEqual(t, float64(len(asked)), 4*looks+1, "%v", asked)
	require.Less(t, octets, 4*looks*20e3)
}
