-- What a flow's packets carry beyond the usual (model.probe.Extra): '' for nothing, else rows.extra_text.
ALTER TABLE flows ADD COLUMN extra TEXT NOT NULL DEFAULT '';
