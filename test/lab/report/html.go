// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"span": span, "number": number, "inc": func(i int) int { return i + 1 },
	"at": func(d time.Duration) string { return number(float64(d.Milliseconds())/1000) + " s" },
}).Parse(pageText))

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
	err := page.Execute(&b, struct {
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
