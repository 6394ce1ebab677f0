package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/backref/backref/client"
	"github.com/backref/backref/compare"
)

// diffWidth is how wide a line of a difference is where no terminal says it, and
// diffLines how many there are of one section unless all are wanted.
const (
	diffWidth = 80
	diffLines = 40
)

// diff writes a difference in sections. What is the same is said in a word.
func (s *sheet) diff(d *compare.Difference) {
	for _, side := range []struct {
		letter string
		image  compare.Image
	}{{"a", d.A}, {"b", d.B}} {
		what := cmp.Or(side.image.ArtifactType, side.image.MediaType)
		if side.image.Index {
			what = "image index"
		} else if text := client.Describe(descriptorOf(side.image)); text != "" {
			what = text
		}
		s.diffLine("", side.letter+"  "+side.image.Name)
		s.diffLine("", "   "+s.digest(side.image.Digest)+"  "+what)
	}
	if d.Same {
		s.diffLine("", "the same")
		return
	}
	s.section("platforms", platformLines(d.Platforms))
	if d.A.Index || d.B.Index {
		s.section("annotations of the index", changeLines(d.Annotations))
		s.section("attached to the index", kindLines(d.Attached))
		s.sbom("packages of the index", d.SBOM)
	}
	for _, i := range d.Images {
		s.imageDiff(i)
	}
	var unread []string
	for _, u := range d.Unread {
		unread = append(unread, fmt.Sprintf("! %s: %s %s: %s", u.Side, u.What, s.digest(u.Digest), u.Reason))
	}
	if len(unread) > 0 {
		s.section("not read", unread)
	}
}

// imageDiff writes what differs between two images.
func (s *sheet) imageDiff(i compare.ImageDifference) {
	name := cmp.Or(i.Platform, "image")
	_, _ = fmt.Fprintln(s)
	if i.Same {
		s.diffLine(styleBold, name+": the same")
		return
	}
	s.diffLine(styleBold, name+"  "+s.digest(i.A)+" → "+s.digest(i.B))
	s.section("layers", s.layerLines(i.Layers))
	s.section("configuration", changeLines(i.Config.Changes))
	s.section("history", historyLines(i.Config.History))
	s.section("annotations", changeLines(i.Annotations))
	s.section("attached", kindLines(i.Attached))
	s.sbom("packages", i.SBOM)
}

// section writes lines below a name, or that they are the same where there are none.
func (s *sheet) section(name string, lines []string) {
	if len(lines) == 0 {
		s.diffLine("", name+": the same")
		return
	}
	s.diffLine(styleBold, name)
	for i, line := range lines {
		if i == diffLines && !s.whole {
			s.diffLine(styleFaint, fmt.Sprintf("  … %d more: --no-trunc shows all", len(lines)-i))
			return
		}
		style := ""
		switch {
		case strings.HasPrefix(line, "-"), strings.HasPrefix(line, "!"):
			style = styleRed
		case strings.HasPrefix(line, "+"):
			style = styleGreen
		}
		s.diffLine(style, "  "+line)
	}
}

// diffLine writes a line, whose end is cut where there is no room.
func (s *sheet) diffLine(style, text string) {
	text = client.Printable(text)
	if !s.whole {
		text = cutTo(text, max(leastWidth, cmp.Or(s.width, diffWidth)))
	}
	if style != "" {
		text = s.styled(style, text)
	}
	_, _ = fmt.Fprintln(s, strings.TrimRight(text, " "))
}

// layerLines writes layers, with what made them.
func (s *sheet) layerLines(l compare.Layers) []string {
	if l.Moved+len(l.Added)+len(l.Removed) == 0 {
		return nil
	}
	total := fmt.Sprintf("%d shared (%s)", l.Shared, sizeText(l.SharedSize))
	if l.Moved > 0 {
		total += fmt.Sprintf(", %d at another place", l.Moved)
	}
	lines := []string{total + fmt.Sprintf(", all %s → %s (%s)", sizeText(l.SizeA), sizeText(l.SizeB), signedSize(l.SizeB-l.SizeA))}
	for _, of := range []struct {
		sign   string
		layers []compare.Layer
	}{{"-", l.Removed}, {"+", l.Added}} {
		for _, layer := range of.layers {
			lines = append(lines, fmt.Sprintf("%s %s  %8s  %s", of.sign, s.digest(layer.Digest), sizeText(layer.Size), layer.CreatedBy))
		}
	}
	return lines
}

// signedSize writes a change of a number of bytes.
func signedSize(bytes int64) string {
	if bytes < 0 {
		return "-" + sizeText(-bytes)
	}
	return "+" + sizeText(bytes)
}

// changeLines writes values that differ.
func changeLines(all []compare.Change) []string {
	var lines []string
	for _, c := range all {
		switch {
		case c.A == nil:
			lines = append(lines, "+ "+c.Name+": "+*c.B)
		case c.B == nil:
			lines = append(lines, "- "+c.Name+": "+*c.A)
		case uniseg.StringWidth(c.Name+*c.A+*c.B)+len("~ :  → ") < diffWidth-2:
			lines = append(lines, "~ "+c.Name+": "+*c.A+" → "+*c.B)
		default:
			lines = append(lines, "- "+c.Name+": "+*c.A, "+ "+c.Name+": "+*c.B)
		}
	}
	return lines
}

func historyLines(h compare.History) []string {
	var lines []string
	for _, step := range h.Removed {
		lines = append(lines, "- "+step)
	}
	for _, step := range h.Added {
		lines = append(lines, "+ "+step)
	}
	return lines
}

// kindLines writes the kinds of which one has more than the other.
func kindLines(all []compare.Kind) []string {
	var lines []string
	for _, k := range all {
		switch {
		case k.A == k.B:
		case k.B == 0:
			lines = append(lines, fmt.Sprintf("- %s (%d)", k.What, k.A))
		case k.A == 0:
			lines = append(lines, fmt.Sprintf("+ %s (%d)", k.What, k.B))
		default:
			lines = append(lines, fmt.Sprintf("~ %s: %d → %d", k.What, k.A, k.B))
		}
	}
	return lines
}

// platformLines writes the platforms that only one has.
func platformLines(p compare.Platforms) []string {
	var lines []string
	for _, name := range p.Removed {
		lines = append(lines, "- "+cmp.Or(name, "an image without platform"))
	}
	for _, name := range p.Added {
		lines = append(lines, "+ "+cmp.Or(name, "an image without platform"))
	}
	return lines
}
