// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// canvas collects SVG elements. Colours come from the classes of the page's style sheet, so that they follow its theme.
type canvas struct {
	b             strings.Builder
	width, height float64
}

func (c *canvas) add(format string, args ...any) {
	fmt.Fprintf(&c.b, format+"\n", args...)
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.add(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, px(x1), px(y1), px(x2), px(y2))
}

// rect draws a box; title is what a pointer resting on it shows.
func (c *canvas) rect(class string, x, y, w, h, radius float64, title string) {
	c.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="%s"><title>%s</title></rect>`,
		class, px(x), px(y), px(w), px(h), px(radius), html.EscapeString(title))
}

// text writes at a baseline; anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	c.add(`<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`, class, anchor, px(x), px(y), html.EscapeString(s))
}

// svg returns the picture; label describes it for those who do not see it.
func (c *canvas) svg(label string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="%s" viewBox="0 0 %s %s">`+"\n%s</svg>",
		html.EscapeString(label), px(c.width), px(c.height), c.b.String())) // all text in it was escaped above
}

func px(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// textWidth estimates the width of text in the page's small font, on the wide side.
func textWidth(s string) float64 { return 6.7 * float64(len([]rune(s))) }

// ticks returns round numbers from 0 (or low) to high, about n of them, 1, 2 or 5 times a power of ten apart.
func ticks(low, high float64, n int) []float64 {
	if high <= low {
		high = low + 1
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(n))))
	for _, f := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*f) <= float64(n) {
			step *= f
			break
		}
	}
	var out []float64
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9; i++ {
		out = append(out, i*step+0) // + 0 turns -0 into 0
	}
	return out
}

// number formats with few digits.
func number(f float64) string {
	return strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64)
}

// span formats a duration for people.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(ms(d), 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatFloat(ms(d), 'f', 0, 64) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}
