"""Words of the board in English and Chinese."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from serving.ui.texts import Language, Table, chosen

Say = Callable[..., str]  # a text by its name, with its {places} filled in


def words(language: Language) -> Say:
    """The texts of the board in a language."""
    return partial(_said, language)


def _said(language: Language, name: str, /, **values: object) -> str:
    return chosen(WORDS, name, language, **values)


WORDS: Table = {
    "title": ("Osler board", "Osler 工作台"),
    "subtitle": (
        "Make, examine and try a medical language model without code. Runs are kept in {folder}.",
        "无需编程即可训练、评测和试用医学语言模型。运行结果保存在 {folder}。",
    ),
    "other_language": ("中文", "English"),
    "login": ("The user is {user}, the password is the board's key.", "用户名为 {user}，密码为工作台密钥。"),
    "command": ("The same on the command line", "对应的命令行"),
    # Data
    "tab_data": ("1 · Data", "1 · 数据"),
    "data_intro": (
        "Choose a corpus, or bring a file of your own: CSV, TSV, JSON, JSON Lines, Parquet, XML, text, or gzip or zip of these. Its shape is found "
        "from its rows. It stays on this machine.",
        "选择语料，或上传自己的文件：CSV、TSV、JSON、JSON Lines、Parquet、XML、文本，或其 gzip、zip 压缩包。系统根据内容识别格式，文件只保存在本机。",
    ),
    "corpus": ("Corpus", "语料"),
    "bring": ("Bring a file", "上传文件"),
    "use_corpus": ("Make a recipe with it", "用它编写配方"),
    "records_are": ("{record} records", "记录类型 {record}"),
    "shape_is": ("shape {shape}", "格式 {shape}"),
    "kept": ("{kept} rows can be used, {dropped} cannot", "{kept} 行可用，{dropped} 行不可用"),
    "bad_rows": ("Rows that cannot be used", "无法使用的行"),
    "bad_rows_remedy": (
        "Mend them in your file by the row numbers below and bring it again, or go on with the rest.",
        "请按下面的行号在文件中修正后重新上传，或直接使用其余各行。",
    ),
    "reason": ("reason", "原因"),
    "count": ("rows", "行数"),
    "place": ("place", "位置"),
    "row": ("row", "内容"),
    "samples": ("Samples", "样例"),
    # Recipe
    "tab_recipe": ("2 · Recipe", "2 · 配方"),
    "open_intro": (
        "A recipe is one file with everything that a run depends on. Open one, or write a new one for your data.",
        "配方是一个文件，包含一次运行所依赖的全部设置。可打开现有配方，或为自己的数据新写一个。",
    ),
    "open_section": ("Open a recipe", "打开配方"),
    "new_section": ("Write a new recipe for a corpus", "为语料新写配方"),
    "recipe": ("Recipe", "配方"),
    "open": ("Open", "打开"),
    "open_file": ("Open a file…", "打开文件…"),
    "base": ("Base model", "基座模型"),
    "method": ("Method", "方法"),
    "weights": ("What is trained", "训练方式"),
    "hardware": ("Hardware", "硬件"),
    "this_machine": ("this machine (processor)", "本机（CPU）"),
    "weights_full": ("all weights", "全部参数"),
    "weights_lora": ("LoRA adapter", "LoRA 适配器"),
    "weights_qlora": ("QLoRA: adapter beside 4 bits", "QLoRA：4 比特基座加适配器"),
    "epochs": ("Passes over the data (0: as the bundled recipe)", "训练轮数（0：沿用内置配方）"),
    "name": ("Name of the run", "运行名称"),
    "write": ("Write the recipe", "编写配方"),
    "form": ("Main settings", "主要设置"),
    "description": ("Description", "说明"),
    "seed": ("Seed", "随机种子"),
    "stage": ("stage", "阶段"),
    "training_stage": ("Settings of the stage", "要设置的阶段"),
    "learning_rate": ("Learning rate", "学习率"),
    "num_train_epochs": ("Epochs", "轮数"),
    "max_steps": ("Steps at most", "最多步数"),
    "per_device_train_batch_size": ("Batch on a device", "每设备批大小"),
    "gradient_accumulation_steps": ("Accumulation", "梯度累积"),
    "max_length": ("Longest sequence", "最大长度"),
    "warmup_steps": ("Warm-up steps", "预热步数"),
    "lora_r": ("LoRA rank", "LoRA 秩"),
    "own_default": ("default", "默认"),
    "form_info": (
        "A value is put into the text when you leave its field. Only that value changes; to remove one, edit the text.",
        "离开输入框时，该值即写入文本，其余内容保持不变；如需删除某项，请直接编辑文本。",
    ),
    "text": ("The whole recipe (YAML)", "完整配方（YAML）"),
    "download": ("Download the recipe", "下载配方"),
    "recipe_good": ("A recipe that can run: {stages}.", "配方有效：{stages}。"),
    "recipe_empty": ("No recipe is open.", "尚未打开配方。"),
    # Plan and start
    "plan_section": ("Plan and start", "规划与启动"),
    "plan_for": ("Plan it for", "规划所用硬件"),
    "plan": ("Show the plan", "查看规划"),
    "planning": ("Counting tokens and memory: about ten seconds…", "正在估算词元和内存，约十秒…"),
    "plan_fits": ("It fits: {where}.", "可以运行：{where}。"),
    "plan_does_not_fit": ("It does not fit: {where}. What to change is below.", "无法运行：{where}。修改建议见下。"),
    "time": ("time", "时间"),
    "hours": ("{number} h", "{number} 小时"),
    "minutes": ("{number} min", "{number} 分钟"),
    "seconds": ("{number} s", "{number} 秒"),
    "tokens": ("tokens", "词元"),
    "disk": ("GiB of disk", "磁盘 GiB"),
    "parameters": ("parameters", "参数量"),
    "trained": ("trained", "训练参数"),
    "steps": ("steps", "步数"),
    "memory_gpu": ("Memory of each GPU at its peak, GiB", "每张 GPU 的峰值内存，GiB"),
    "memory_here": ("Memory of this machine at its peak, GiB", "本机峰值内存，GiB"),
    "remedies": ("Any of these makes it fit:", "以下任一修改即可满足："),
    "assumed": ("What the plan assumes", "规划的假设"),
    "until": ("Run", "运行范围"),
    "until_all": ("everything, to the report", "全部，直到报告"),
    "until_kind": ("up to the last {kind} stage", "到最后一个 {kind} 阶段"),
    "start": ("Start", "启动"),
    # Runs
    "tab_run": ("3 · Runs", "3 · 运行"),
    "run": ("Run", "运行"),
    "no_runs": ("No run yet: open a recipe and start it.", "还没有运行：请打开配方并启动。"),
    "stop": ("Stop", "停止"),
    "resume": ("Go on", "继续"),
    "log": ("Log", "日志"),
    "run_samples": ("Samples", "样例"),
    "state_elsewhere": (
        "Running without the board, as process {process}. Stop it where it was started.",
        "正在工作台之外运行（进程 {process}）。请在启动它的地方停止。",
    ),
    "state_none": (
        "Not started from this board. What it has done is below; start its recipe in tab 2 to go on with it.",
        "此运行不是由本工作台启动的。已完成的部分见下；如需继续，请在“配方”页启动其配方。",
    ),
    "state_running": (
        "Running since {since}. It goes on when this page is closed.",
        "自 {since} 起运行中，关闭页面不影响运行。",
    ),
    "state_stopping": ("Stopping: the step under way ends and is saved.", "正在停止：当前步完成后保存。"),
    "state_finished": ("Finished. Started {since}.", "已完成。开始于 {since}。"),
    "state_stopped": (
        "Stopped (exit code {code}). What was done is kept; it goes on from there.",
        "已停止（退出码 {code}）。已完成的部分保留，可从此处继续。",
    ),
    "state_failed": ("Ended with an error (exit code {code}):", "出错结束（退出码 {code}）："),
    "state_interrupted": (
        "Broken off, as when the machine is switched off. It goes on from its last checkpoint.",
        "运行中断（例如机器关机）。可从最近的检查点继续。",
    ),
    "stage_done": ("done", "完成"),
    "stage_running": ("under way", "进行中"),
    "stage_halted": ("halted", "已暂停"),
    "stage_waiting": ("waiting", "等待"),
    "step": ("step", "步"),
    "no_curves": (
        "No curves yet: a stage that trains draws them from its first logged step.",
        "尚无曲线：训练阶段记录第一步后即会显示。",
    ),
    "no_samples": (
        "No samples yet: stages that write text or answer questions leave them.",
        "尚无样例：生成文本或回答问题的阶段会留下样例。",
    ),
    "figure_loss": ("loss", "损失"),
    "figure_learning_rate": ("learning rate", "学习率"),
    "figure_tokens_per_second": ("tokens per second", "每秒词元"),
    "figure_rewards/margins": ("DPO margin", "DPO 间隔"),
    "figure_reward": ("reward", "奖励"),
    "asked": ("question", "问题"),
    "answered": ("answer", "回答"),
    # Examine
    "tab_examine": ("4 · Examine", "4 · 评测"),
    "compare_runs": ("Runs side by side", "并列比较的运行"),
    "no_exam": ("None of these runs has an exam yet.", "这些运行尚无评测结果。"),
    "model": ("model", "模型"),
    "exam": ("exam", "考试"),
    "accuracy": ("accuracy, % (95% interval)", "正确率 %（95% 区间）"),
    "chance": ("chance, %", "随机 %"),
    "bits": ("bits per byte, {kind}", "每字节比特，{kind}"),
    "paired": ("Compare two models on the same questions", "在相同题目上比较两个模型"),
    "first_model": ("The first", "第一个"),
    "second_model": ("The second", "第二个"),
    "compare": ("Compare", "比较"),
    "difference": ("difference, points", "差值（百分点）"),
    "won_lost": ("won / lost", "增 / 减"),
    "verdict": ("verdict", "结论"),
    "significant": ("the difference is significant at 5%", "差异显著（5%）"),
    "not_significant": ("no significant difference at 5%", "差异不显著（5%）"),
    "more_exams": ("Another exam", "其他考试"),
    "task": ("Task or suite", "任务或套件"),
    "limit": ("Questions at most (0: all)", "最多题数（0：全部）"),
    "examine": ("Examine", "开始评测"),
    "no_results": ("None yet: “Examine” above makes some.", "暂无：点击上方“开始评测”即可生成。"),
    "leaderboard": ("Results of `osler eval`", "`osler eval` 的结果"),
    "report": ("Report of the run", "运行报告"),
    # Use
    "tab_talk": ("5 · Talk", "5 · 对话"),
    "talk_intro": (
        "Serve a model with vLLM and ask it. It is a research artifact and no medical device.",
        "用 vLLM 部署模型并提问。模型仅供研究，不是医疗器械。",
    ),
    "serve": ("Serve it", "部署"),
    "stop_serving": ("Stop serving", "停止部署"),
    "served": ("{model} answers at {url}.", "{model} 已部署在 {url}。"),
    "starting": ("vLLM is starting: half a minute on a processor.", "vLLM 正在启动，CPU 上约需半分钟。"),
    "not_served": ("No model is served.", "尚未部署模型。"),
    "serve_first": ("No model is served: choose one above and serve it first.", "尚未部署模型：请先在上方选择并部署。"),
    "answer_broke_off": ("The answer broke off: {reason}", "回答中断：{reason}"),
    "question": ("Your question", "您的问题"),
    "ask": ("Ask", "提问"),
    "tab_export": ("6 · Export", "6 · 导出"),
    "export_intro": (
        "Write a model as safetensors or GGUF, or with its card as it is given away. Files stay in the run's folder.",
        "将模型导出为 safetensors 或 GGUF，或连同模型卡一起发布。文件保存在运行文件夹中。",
    ),
    "form_of_export": ("Form", "格式"),
    "export": ("Export", "导出"),
    "written": ("Written", "已写出"),
    "mib": ("MiB", "MiB"),
}
