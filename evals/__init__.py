"""How good the model is: exams, statistics and reports.

The way of an exam, folder by folder:

1. ``exam``: what is asked. ``tasks`` (a benchmark as a YAML file of ``evals/tasks``, read by ``task_files``) and its ``prompts``; where its rows are
   (``source``, ``own_file``, ``answer_file``), how rows become items (``published_rows``, ``items``), ``variants`` and ``known_errors``.
2. ``asking``: how. ``asked`` asks one of the ``engines`` through ``cached_engine``, which keeps in ``finished`` what a killed run goes on with.
3. What came back: ``reading`` finds the option or the quantity that a reply names; ``open`` marks answers in the model's own words, by ``text_metrics``
   or by the judge model of ``judging``.
4. ``figures``: what it comes to. ``results`` and ``item_line`` are the files of a results folder, ``robustness`` asks the same items in other forms,
   ``contamination`` looks for them in the training text, ``summary`` makes the figures, with the intervals of ``stats``, and ``compare`` and
   ``forgetting`` hold two models beside each other.
5. ``reports``: what is told.

``run`` goes this way for a task. ``score`` and ``likelihood`` are the short way of a training stage that examines its own model; ``verifiers`` and ``safety`` are
rules that also reward and filter.
"""
