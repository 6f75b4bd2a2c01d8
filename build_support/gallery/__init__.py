"""The pictures of docs/gallery.md: what stencils, penalties, responses and borders look like."""
