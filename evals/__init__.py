"""How good the model is: exams, statistics and reports.

The way of an exam, file by file:

1. What is asked: ``tasks`` (a benchmark as a YAML file of ``evals/tasks``, read by ``task_files``), ``source`` and ``own_file`` (where its rows are),
   ``exam_rows`` and ``items`` (rows become items), ``variants`` and ``known_errors``.
2. How: ``prompts`` lays an item out, ``asking`` asks one of the ``engines`` through ``cached_engine``, which keeps in ``finished`` what a killed run goes on with.
3. What came back: ``reading`` finds the option or the quantity that a reply names; ``open`` marks answers in the model's own words, by ``text_metrics``
   or by the judge model of ``judging``.
4. What it comes to: ``run`` writes a folder for each task (``rows``, ``results``), ``robustness`` asks the same items in other forms, ``contamination`` looks for
   them in the training text, and ``summary`` makes the figures, with the intervals of ``stats``.
5. What is told: ``compare`` (two models on the same items), ``forgetting``, and ``reports``.

``score`` is the short way of a training stage that examines its own model; ``verifiers`` and ``safety`` are rules that also reward and filter.
"""
