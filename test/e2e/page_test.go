// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// screenshotFile, when set, gets a picture of the page: SCREENSHOT=$PWD/docs/status-page.png go test ./test/e2e -run TestStatusPage
var screenshotFile = os.Getenv("SCREENSHOT")

// TestStatusPage looks at the status page with a real browser while UEs register, move and are released.
func TestStatusPage(t *testing.T) {
	chromium := testenv.NeedTool(t, "chromium", "chromium")
	w := newWorld(t, func(c *config.Config) {
		c.Management = config.Management{Listen: "127.0.0.1:0", Token: "a token of the operator"}
	})
	o := newOffice(t, w)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(1280, 1250), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, stop := chromedp.NewExecAllocator(w.ctx, options...)
	t.Cleanup(stop)
	var complaints []string
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithErrorf(func(f string, a ...any) { complaints = append(complaints, fmt.Sprintf(f, a...)) }))
	t.Cleanup(closeTab)
	require.NoError(t, chromedp.Do(ctx)) // starts the browser, which lives as long as the context of its first use
	run := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		limited, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		if err := chromedp.Do(limited, actions...); err != nil {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			require.NoError(t, err, "%s; the page says:\n%s", what, text)
		}
	}
	// shows waits until an expression of the page's own script is true.
	shows := func(what, expression string) {
		t.Helper()
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(deadline)))
		if err != nil {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			require.NoError(t, err, "%s; the page says:\n%s", what, text)
		}
	}

	u, p := w.online(0)
	finish := w.traffic(p, 200)
	for i := 1; i <= 3; i++ {
		w.online(i)
	}
	run("the page asks for the token", chromedp.Navigate("http://"+o.server.Addr("listen").String()+"/"),
		chromedp.WaitVisible("#login"), chromedp.SetValue("#token", "a token of the operator"), chromedp.Click("#login button"))
	shows("it serves", `document.getElementById("ready").textContent === "serving"`)
	shows("who forwards user packets, and why", `[...document.querySelectorAll("#tiles .tile")].some(t => t.innerText.includes("user packets") && t.innerText.includes("relay") && t.title === "ESP is in this process")`)
	shows("four UEs", `document.querySelectorAll("#ues tbody tr").length === 4`)
	shows("an AMF", `document.querySelector("#amfs tbody").innerText.includes("connected")`)
	shows("one UE is chosen", `(tr => tr && (tr.click(), true))([...document.querySelectorAll("#ues tbody tr")].find(tr => tr.innerText.includes("`+w.addr(10).String()+`:")))`)
	shows("its SAs and sessions", `(d => d.includes("signalling") && d.includes("PDU session 1"))(document.getElementById("detail").innerText)`)
	shows("live rates", `/bit\/s/.test(document.getElementById("detail").innerText) && !/^0 bit/.test(document.querySelector("#tiles .tile:nth-child(7) b").textContent)`)

	shows("each flow, with its live rates", `(tr => tr && tr.cells[0].textContent === "1" && tr.cells[1].textContent === "1" && /[1-9].* bit\/s|[1-9].* kbit\/s/.test(tr.cells[4].textContent) &&
		/[1-9].*bit\/s/.test(tr.cells[5].textContent))(document.querySelector("#flows tbody tr"))`)

	for i := range 3 {
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30+i), w.addr(hostN3IWF)) }))
		require.NoError(t, w.within(func(ctx context.Context) error { _, err := u.Arrived(ctx); return err }))
	}
	shows("the moves in the list", `[...document.querySelectorAll("#ues tbody tr")].some(tr => tr.innerText.includes("`+w.addr(32).String()+`"))`)
	shows("the moves as they happened", `document.getElementById("log").innerText.includes("moved from")`)
	shows("its history", `(d => d.includes("Path history") && d.includes("`+w.addr(31).String()+`"))(document.getElementById("detail").innerText)`)
	if screenshotFile != "" {
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(screenshotFile, picture, 0o644))
	}

	run("a filter", chromedp.SetValue("#filter", w.addr(32).String()))
	shows("the page takes the filter", `document.getElementById("filter").dispatchEvent(new Event("input"))`)
	shows("one UE of four", `document.querySelectorAll("#ues tbody tr").length === 1 && document.getElementById("count").textContent === "1 of 4"`)
	_, lost := finish()
	require.Zero(t, lost, "looking on costs no packet")
	require.Empty(t, complaints)
}
