// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"math"
	"time"
)

//go:embed page.html load.html style.html
var pages embed.FS

var templates = template.Must(template.New("pages").Funcs(template.FuncMap{
	"span": span, "number": number, "inc": func(i int) int { return i + 1 },
	// Three digits or so are all that a measurement is good for, and fit.
	"rate": func(mbps float64) string {
		if mbps >= 100 {
			return number(math.Round(mbps))
		}
		return number(math.Round(mbps*10) / 10)
	},
	"at": func(d time.Duration) string { return number(float64(d.Milliseconds())/1000) + " s" },
}).ParseFS(pages, "*.html"))

// HTML returns the page: one file that needs nothing else.
func (r *Report) HTML() ([]byte, error) {
	sent, lost, held := 0, 0, 0
	var longest time.Duration
	for _, m := range r.Moves {
		sent, lost, longest = sent+m.Sent, lost+m.Lost, max(longest, m.Gap)
		if m.Kept.All() {
			held++
		}
	}
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, "page.html", struct {
		*Report
		Sent, Lost, Held int
		Longest          time.Duration
		Plot, Timeline   template.HTML
	}{r, sent, lost, held, longest, r.packetPlot(), r.timeline()})
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}
