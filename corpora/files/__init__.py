"""Published files, of whatever form, as rows: ``reading`` tells the form, and each form has a module."""
